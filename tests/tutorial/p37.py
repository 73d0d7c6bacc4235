hist = model.fit(X, y, validation_split=0.2)
print(hist.history)
