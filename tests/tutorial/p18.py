x = Input(shape=(784,))
y = model(x)
