"""How much users of Keras 2.2.4 expect a public name: core, expected, rare, or "-" for what nobody rated.

An area is a module path; a name in it that no list holds is of the area's own tier. Rated are what documentation and
tutorials call by name; helpers of helpers, modules and the methods of most classes are not.

What does not live here: the names (names.txt).
"""

from __future__ import annotations

UNRATED = "-"

AREAS = {
    "keras.layers": "core", "keras.losses": "core", "keras.metrics": "core", "keras.optimizers": "core",
    "keras.initializers": "core", "keras.regularizers": "core", "keras.constraints": "core", "keras.activations": "core",
    "keras.callbacks": "core", "keras.backend": "core", "keras.models": "core", "keras": "core", "keras.utils": "core",
    "keras.preprocessing.sequence": "expected", "keras.preprocessing.text": "expected",
    "keras.preprocessing.image": UNRATED, "keras.applications": "rare", "keras.datasets": "expected",
    "keras.wrappers.scikit_learn": UNRATED,
}

LISTS = {
    ("keras.layers", "expected"): """
        SpatialDropout1D SpatialDropout2D ActivityRegularization GaussianNoise GaussianDropout AlphaDropout ThresholdedReLU
        SeparableConv1D Conv3D MaxPooling3D AveragePooling3D GlobalMaxPooling3D GlobalAveragePooling3D UpSampling3D
        ZeroPadding3D Cropping3D RNN SimpleRNNCell GRUCell LSTMCell StackedRNNCells Wrapper
        MaxPool1D MaxPool2D MaxPool3D AvgPool1D AvgPool2D AvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D
        GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D Convolution1D Convolution2D Convolution3D""",
    ("keras.layers", "rare"): """
        SpatialDropout3D Conv3DTranspose LocallyConnected1D LocallyConnected2D ConvLSTM2D ConvLSTM2DCell ConvRNN2D CuDNNGRU
        CuDNNLSTM MaxoutDense Highway Recurrent ConvRecurrent2D AtrousConvolution1D AtrousConvolution2D
        Convolution2DTranspose Deconvolution2D Deconvolution3D Deconv2D Deconv3D SeparableConvolution1D
        SeparableConvolution2D AtrousConv1D AtrousConv2D""",
    ("keras.losses", "expected"): "categorical_hinge logcosh",
    ("keras.losses", "rare"): "get serialize deserialize",
    ("keras.metrics", "expected"): "sparse_top_k_categorical_accuracy",
    ("keras.metrics", "rare"): "get serialize deserialize",
    ("keras.optimizers", "expected"): "Adamax Nadam Optimizer",
    ("keras.optimizers", "rare"): "TFOptimizer serialize deserialize get sgd rmsprop adagrad adadelta adam adamax nadam clip_norm",
    ("keras.initializers", "expected"): """
        zero zeros one ones constant uniform random_uniform normal random_normal truncated_normal identity orthogonal""",
    ("keras.initializers", "rare"): "Initializer serialize deserialize get",
    ("keras.regularizers", "rare"): "Regularizer serialize deserialize get",
    ("keras.constraints", "expected"): "max_norm non_neg unit_norm min_max_norm",
    ("keras.constraints", "rare"): "Constraint serialize deserialize get",
    ("keras.activations", "rare"): "serialize deserialize get",
    ("keras.callbacks", "expected"): "BaseLogger CallbackList TensorBoard",
    ("keras.callbacks", "rare"): "RemoteMonitor",
    ("keras.backend", "expected"): """
        rnn map_fn foldl foldr conv3d separable_conv1d separable_conv2d depthwise_conv2d conv2d_transpose
        batch_normalization normalize_batch_in_training resize_images local_conv1d local_conv2d in_top_k logsumexp cumsum
        cumprod is_sparse to_dense pool3d spatial_3d_padding moving_average_update print_tensor random_binomial
        truncated_normal random_uniform_variable random_normal_variable get_uid reset_uids name_scope is_placeholder
        is_variable reverse slice arange in_test_phase normalize_data_format get_variable_shape""",
    ("keras.backend", "rare"): """
        get_session set_session ctc_batch_cost ctc_decode ctc_label_dense_to_sparse conv3d_transpose resize_volumes
        image_dim_ordering set_image_dim_ordering manual_variable_initialization""",
    ("keras.utils", "expected"): "Sequence HDF5Matrix get_file serialize_keras_object deserialize_keras_object OrderedEnqueuer",
    ("keras.utils", "rare"): "multi_gpu_model GeneratorEnqueuer h5dict convert_all_kernels_in_model",
    ("keras.preprocessing.sequence", "core"): "pad_sequences",
    ("keras.preprocessing.text", "core"): "Tokenizer",
    ("keras.preprocessing.text", UNRATED): "tokenizer_from_json",
    ("keras.preprocessing.image", "core"): "ImageDataGenerator",
    ("keras.preprocessing.image", "expected"): "array_to_img img_to_array load_img save_img",
    ("keras.wrappers.scikit_learn", "expected"): "KerasClassifier KerasRegressor",
    ("keras.models.Model", "core"): """
        compile fit evaluate predict train_on_batch test_on_batch predict_on_batch summary get_layer layers get_weights
        set_weights get_config from_config save save_weights load_weights to_json to_yaml count_params reset_states""",
    ("keras.models.Model", "expected"): """
        fit_generator evaluate_generator predict_generator build stateful losses updates uses_learning_phase state_updates
        trainable_weights non_trainable_weights weights""",
    ("keras.models.Sequential", "core"): "add pop",
    ("keras.models.Sequential", "expected"): "predict_classes predict_proba",
}

MEMBERS = {"keras.Model": "keras.models.Model", "keras.engine.Model": "keras.models.Model",
           "keras.Sequential": "keras.models.Sequential",
           "keras.layers.Layer": "keras.models.Model"}


def tier_of(path: str, kind: str) -> str:
    area, _, name = path.rpartition(".")
    area = MEMBERS.get(area, area)
    if kind == "module":
        return "expected" if area == "keras.datasets" else UNRATED
    for (place, tier), listed in LISTS.items():
        if place == area and name in listed.split():
            return tier
    return AREAS.get(area, UNRATED)
