"""The rarer helpers of keras.utils: lengths of convolutions, kernels of other layouts, multi_gpu_model."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import layers, models, utils
from graphc.frontend_keras.utils import conv_utils, layer_utils

pytestmark = pytest.mark.usefixtures("fresh_session")


def places(length, reach, padding, stride):
    """Where a window of `reach` can begin, counted one by one."""
    if padding in ("same", "causal"):
        return len(range(0, length, stride))
    ahead = reach - 1 if padding == "full" else 0
    return len([start for start in range(-ahead, length + ahead - reach + 1) if (start + ahead) % stride == 0])


class TestLengths:
    @pytest.mark.parametrize("padding", ["valid", "same", "causal", "full"])
    @pytest.mark.parametrize("stride", [1, 2, 3])
    @pytest.mark.parametrize(("size", "dilation"), [(1, 1), (3, 1), (3, 2), (4, 1)])
    def test_output(self, padding, stride, size, dilation):
        reach = size + (size - 1) * (dilation - 1)
        for length in range(reach, 20):
            found = conv_utils.conv_output_length(length, size, padding, stride, dilation)
            assert found == places(length, reach, padding, stride)

    @pytest.mark.parametrize("padding", ["valid", "same", "full"])
    @pytest.mark.parametrize("size", [1, 3, 5])
    def test_input_is_the_inverse_for_odd_sizes(self, padding, size):
        for output in range(4, 9):
            length = conv_utils.conv_input_length(output, size, padding, 2)
            assert conv_utils.conv_output_length(length, size, padding, 2) == output

    @pytest.mark.parametrize("padding", ["valid", "same"])
    def test_transposed_is_the_layers_length(self, padding):
        for size, stride in ((3, 2), (2, 3), (5, 1)):
            layer = layers.Conv2DTranspose(1, size, strides=stride, padding=padding)
            rows = layer.compute_output_shape((None, 7, 7, 1))[1]
            assert conv_utils.deconv_length(7, stride, size, padding, None) == rows

    def test_transposed_with_zeros_at_the_end(self):
        # (n - 1) * stride + reach - 2 * pad + zeros: 6 * 2 + 3 - 2 * 1 + 1; 6 * 2 + 5 - 0 + 1; 6 * 2 + 3 - 4 + 0
        assert conv_utils.deconv_length(7, 2, 3, "same", 1) == 14
        assert conv_utils.deconv_length(7, 2, 3, "valid", 1, dilation=2) == 18
        assert conv_utils.deconv_length(7, 2, 3, "full", 0) == 11
        assert conv_utils.deconv_length(7, 2, 3, "full", None) == 11

    def test_unknown(self):
        assert conv_utils.conv_output_length(None, 3, "same", 1) is None
        assert conv_utils.conv_input_length(None, 3, "same", 1) is None
        assert conv_utils.deconv_length(None, 2, 3, "same", None) is None
        assert conv_utils.deconv_length(None, 2, 3, "same", 1) is None
        for length in (None, 5):
            with pytest.raises(AssertionError, match="'none'"):
                conv_utils.conv_output_length(length, 3, "none", 1)
        with pytest.raises(ValueError, match="causal"):
            conv_utils.conv_input_length(5, 3, "causal", 1)


class TestArguments:
    def test_tuples(self):
        assert conv_utils.normalize_tuple(3, 2, "strides") == (3, 3)
        assert conv_utils.normalize_tuple([1, 2], 2, "strides") == (1, 2)

    @pytest.mark.parametrize("value", [(1, 2, 3), None, 2.5, ("a", 1), "ab"])
    def test_no_tuples(self, value):
        with pytest.raises(ValueError, match="`strides` argument must be a tuple of 2 integers"):
            conv_utils.normalize_tuple(value, 2, "strides")

    def test_padding(self):
        assert conv_utils.normalize_padding("SAME") == "same"
        with pytest.raises(ValueError, match="'full'"):
            conv_utils.normalize_padding("full")


class TestKernels:
    def test_sizes_are_turned(self):
        kernel = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
        turned = conv_utils.convert_kernel(kernel)
        for i in range(2):
            for j in range(3):
                np.testing.assert_array_equal(turned[i, j], kernel[1 - i, 2 - j])
        np.testing.assert_array_equal(conv_utils.convert_kernel(turned), kernel)
        with pytest.raises(ShapeError, match="rank 3, 4 or 5"):
            conv_utils.convert_kernel(np.ones((2, 2)))

    def test_model(self):
        model = models.Sequential([layers.Conv2D(2, 3, input_shape=(8, 8, 1)), layers.Conv2DTranspose(2, 2),
                                   layers.SeparableConv2D(2, 3), layers.Flatten(), layers.Dense(2)])
        before = model.get_weights()
        utils.convert_all_kernels_in_model(model)
        after = model.get_weights()
        turned = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if not np.array_equal(a, b)]
        assert turned == [0, 2]
        for i in turned:
            np.testing.assert_array_equal(after[i], before[i][::-1, ::-1])

    @pytest.mark.parametrize("use_bias", [True, False])
    def test_dense_behind_a_feature_map(self, use_bias):
        """The same features in another layout give the same outputs."""
        rng = np.random.default_rng(0)
        features = rng.normal(0, 1, (2, 3, 4, 5))  # rows, columns, channels
        dense = layers.Dense(6, use_bias=use_bias)
        model = models.Sequential([dense])
        model.build((None, 60))
        expected = model.predict(features.reshape(2, 60))
        layer_utils.convert_dense_weights_data_format(dense, (5, 3, 4), "channels_first")
        np.testing.assert_allclose(model.predict(features.transpose(0, 3, 1, 2).reshape(2, 60)), expected, rtol=1e-5,
                                   atol=1e-6)
        layer_utils.convert_dense_weights_data_format(dense, (3, 4, 5), "channels_last")
        np.testing.assert_array_equal(model.predict(features.reshape(2, 60)), expected)
        with pytest.raises(AssertionError, match="'middle'"):
            layer_utils.convert_dense_weights_data_format(dense, (3, 4, 5), "middle")
        with pytest.raises(ShapeError, match="product is 60"):
            layer_utils.convert_dense_weights_data_format(dense, (3, 4, 6))


@pytest.mark.parametrize("gpus", [None, 1, 2, [0, 1]])
def test_multi_gpu_model(gpus):
    with pytest.raises(ArgumentError, match="Use the model itself"):
        utils.multi_gpu_model(models.Sequential(), gpus=gpus)
