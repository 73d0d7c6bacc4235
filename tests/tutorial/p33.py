model.save_weights('my_model_weights.h5')

model.load_weights('my_model_weights.h5')

model.load_weights('my_model_weights.h5', by_name=True)
