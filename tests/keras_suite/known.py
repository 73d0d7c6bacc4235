"""Keras's tests that cannot pass on graphc, and why.

A key is the beginning of a test's name, from its file's name on.
"""

from __future__ import annotations

BREAKS_OTHERS = ("tests/keras/layers/merge_test.py::test_merge_broadcast",)
"""Replaces K.ndim by one that knows no ranks, which there always are, and fails before it puts it back."""

LEFT_OUT = ("tests/test_doc_auto_generation.py", "tests/test_documentation.py",
            "tests/integration_tests/applications_test.py", "tests/integration_tests/test_tensorflow_integration.py",
            "tests/keras/utils/multi_gpu_test.py", "tests/keras/layers/cudnn_recurrent_test.py")
"""About Keras's own documentation, downloaded weights, TensorFlow's functions, several GPUs, cuDNN's layers."""

_TENSORFLOW = "calls TensorFlow itself"
_NUMPY = "its own code does not run with NumPy 2 or the SciPy of today"
_BYTECODE = "code in files and pickles is never read"
_NETWORK = "downloads"
_BACKENDS = "compares with Theano and CNTK"
_FLOAT16 = "there is no float16"
_INTERNAL = "a function inside of Keras that nobody else calls"
_SEED = "a threshold that one sequence of random weights reaches; on average accuracies agree with tf_keras"
_LOWERED = "expects that reading a configuration changes the caller's dict"

REASONS = {
    "activations_test::test_selu": "rounds expm1 once more or less: 1 unit in the last place",
    "constraints_test::test_min_max_norm": _NUMPY,
    "optimizers_test::test_tfoptimizer": _TENSORFLOW,
    **{f"optimizers_test::test_{name}": _LOWERED for name in (
        "sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamax", "nadam", "adam_amsgrad", "clipnorm", "clipvalue")},
    "advanced_activations_test::test_relu_tf_ops": _TENSORFLOW,
    "wrappers_test::test_TimeDistributed": "looks at a private table of inputs",
    "wrappers_test::test_Bidirectional_updates": "numbers in place of updates",
    "wrappers_test::test_Bidirectional_losses": "numbers in place of losses",
    "test_temporal_data_tasks::test_temporal_classification": _SEED,
    "test_temporal_data_tasks::test_temporal_regression": _SEED,
    **{f"test_datasets::test_{name}": _NETWORK for name in (
        "boston_housing", "cifar", "fashion_mnist", "imdb", "mnist", "reuters")},
    "test_model_saving::test_loading_weights_by_name_and_reshape": "another wording of an error",
    "test_topology::test_recursion": _TENSORFLOW,
    "text_test::test_tokenizer": _NUMPY,
    "imagenet_utils_test::test_decode_predictions": _NETWORK,
    "generic_utils_test::test_func_dump": _BYTECODE,
    "io_utils_test::test_io_utils": "expects a NumPy number where evaluate returns a float",
    "io_utils_test::test_ask_to_proceed_with_overwrite": "replaces a function of the library six",
    "vis_utils_test::test_plot_model": "needs Graphviz; without, an SVG is drawn",
    "test_model_saving::test_saving_lambda": _BYTECODE,
    "test_model_saving::test_saving_unused_layers_is_ok": _BYTECODE,
    "test_model_saving::test_model_saving_to_pre_created_h5py_file": "opens an empty file with r+, which h5py refuses",
    "test_model_saving::test_model_saving_to_binary_stream": "opens an empty file with r+, which h5py refuses",
    "test_model_saving::test_saving_model_with_long": "names of thousands of characters are refused in files",
    "test_model_pickling::test_pickling_unused_layers_is_ok": _BYTECODE,
    "test_topology::test_load_layers": _INTERNAL,
    "test_topology::test_preprocess_weights_for_loading": _INTERNAL,
    "test_training::test_check_": _INTERNAL,
    "test_training::test_model_with_input_feed_tensor": _TENSORFLOW,
    "test_training::test_model_with_external_loss": _TENSORFLOW,
    "test_training::test_model_custom_target_tensors": _TENSORFLOW,
    "test_training::test_model_methods": "a tuple of sample weights is taken for a list",
    "test_training::test_warnings": "pytest.warns(None) is gone",
    "test_training::test_trainable_weights_count_consistency": "pytest.warns(None) is gone",
    "test_training::test_dynamic_set_inputs": _INTERNAL,
    "test_training::test_target_tensors": "another wording of an error",
    "backend_test/TestBackend::test_function_tf_": _TENSORFLOW,
    **{f"backend_test/TestBackend::test_{name}": _BACKENDS for name in (
        "batchnorm", "function", "gradient", "in_top_k", "resize_images_bilinear", "sparse_concat", "sparse_dot",
        "spatial_2d_padding", "spatial_3d_padding")},
    "backend_test/TestBackend::test_elementwise_operations": _NUMPY,
    "backend_test/TestBackend::test_ctc_decode": _NUMPY,
    "backend_test/TestBackend::test_setfloatx_correct_values": _FLOAT16,
    "backend_test/TestBackend::test_set_floatx": _FLOAT16,
    "backend_test/TestBackend::test_dtype": _FLOAT16,
}


def reason_for(test: str) -> str | None:
    """Why a test, folders/file::name or folders/file/class::name, fails; None where it should not."""
    return next((why for start, why in REASONS.items() if f"/{start}" in f"/{test}"), None)
