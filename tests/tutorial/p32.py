json_string = model.to_json()

yaml_string = model.to_yaml()

from keras.models import model_from_json
model = model_from_json(json_string)

model = model_from_yaml(yaml_string)
