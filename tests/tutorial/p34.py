model = Sequential()
model.add(Dense(2, input_dim=3, name="dense_1"))
model.add(Dense(10, name="new_dense"))

model.load_weights(fname, by_name=True)
