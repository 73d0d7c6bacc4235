json_string = model.to_json()

from keras.models import model_from_json
model = model_from_json(json_string)
