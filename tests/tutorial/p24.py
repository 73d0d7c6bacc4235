a = Input(shape=(140, 256))
b = Input(shape=(140, 256))

lstm = LSTM(32)
encoded_a = lstm(a)
encoded_b = lstm(b)

lstm.output

assert lstm.get_output_at(0) == encoded_a
assert lstm.get_output_at(1) == encoded_b
