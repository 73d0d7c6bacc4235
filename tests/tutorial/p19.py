from keras.layers import TimeDistributed

input_sequences = Input(shape=(20, 784))

processed_sequences = TimeDistributed(model)(input_sequences)
