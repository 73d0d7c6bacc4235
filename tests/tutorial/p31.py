from keras.models import load_model

model.save('my_model.h5')
del model

model = load_model('my_model.h5')
