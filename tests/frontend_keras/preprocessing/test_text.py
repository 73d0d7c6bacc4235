"""Texts as numbers. Recorded numbers are those of keras-preprocessing 1.0.5."""

import hashlib
import json

import numpy as np
import pytest

from graphc.errors import ArgumentError, DTypeError, ModelFormatError
from graphc.frontend_keras.preprocessing.text import (
    Tokenizer,
    hashing_trick,
    one_hot,
    text_to_word_sequence,
    tokenizer_from_json,
)

TEXTS = ["The cat sat on the mat.", "The dog sat on the log!", "Dogs and cats, living together"]


class TestWords:
    def test_words(self):
        assert text_to_word_sequence("Hello, big-world!\tIt's") == ["hello", "big", "world", "it's"]
        assert text_to_word_sequence("A.B", filters="", lower=False) == ["A.B"]
        assert text_to_word_sequence("one,two;three", filters=";", split=",") == ["one", "two", "three"]
        assert text_to_word_sequence("a!b", split="<>") == ["a", "b"]
        assert text_to_word_sequence("Ünïcode ß") == ["ünïcode", "ß"]

    @pytest.mark.parametrize("text", [None, 3.5, float("nan"), b"bytes"])
    def test_no_text(self, text):
        with pytest.raises(DTypeError):
            text_to_word_sequence(text)

    def test_hashing(self):
        assert hashing_trick("The cat, the dog", 100, "md5") == [51, 3, 51, 33]
        assert hashing_trick("ab c", 10, len) == [3, 2]
        number = int(hashlib.md5(b"cat").hexdigest(), 16)
        assert hashing_trick("CAT", 7, "md5") == [number % 6 + 1]

    def test_one_hot(self):
        assert one_hot("a b a", 50) == [hash(word) % 49 + 1 for word in "aba"]

    def test_bad_arguments(self):
        with pytest.raises(ArgumentError, match="md5"):
            hashing_trick("a", 5, "sha1")
        with pytest.raises(ArgumentError, match="2 or more"):
            hashing_trick("a", 1)


class TestTokenizer:
    def test_numbers(self):
        tokenizer = Tokenizer()
        tokenizer.fit_on_texts(TEXTS)
        assert tokenizer.word_index == {"the": 1, "sat": 2, "on": 3, "cat": 4, "mat": 5, "dog": 6, "log": 7, "dogs": 8,
                                        "and": 9, "cats": 10, "living": 11, "together": 12}
        assert tokenizer.index_word[6] == "dog"
        assert tokenizer.word_counts["the"] == 4
        assert tokenizer.word_docs["the"] == tokenizer.index_docs[1] == 2
        assert tokenizer.document_count == 3
        assert tokenizer.texts_to_sequences(["the unknown dog", ""]) == [[1, 6], []]
        assert tokenizer.sequences_to_texts([[1, 6, 99], []]) == ["the dog", ""]

    def test_fitting_goes_on(self):
        tokenizer = Tokenizer()
        tokenizer.fit_on_texts(["a b"])
        tokenizer.fit_on_texts(["b c"])
        assert tokenizer.word_index == {"b": 1, "a": 2, "c": 3}

    def test_num_words(self):
        tokenizer = Tokenizer(num_words=3)
        tokenizer.fit_on_texts(TEXTS)
        assert tokenizer.texts_to_sequences(["the sat on cat"]) == [[1, 2]]
        assert tokenizer.sequences_to_texts([[1, 2, 3]]) == ["the sat"]
        assert len(tokenizer.word_index) == 12

    def test_out_of_vocabulary(self):
        tokenizer = Tokenizer(num_words=4, oov_token="?")
        tokenizer.fit_on_texts(TEXTS)
        assert tokenizer.word_index["?"] == 1
        assert tokenizer.texts_to_sequences(["the sat on zebra"]) == [[2, 3, 1, 1]]
        assert tokenizer.sequences_to_texts([[2, 5, 77]]) == ["the ? ?"]

    def test_characters(self):
        tokenizer = Tokenizer(char_level=True)
        tokenizer.fit_on_texts(["Aab"])
        assert tokenizer.word_index == {"a": 1, "b": 2}
        assert tokenizer.texts_to_sequences(["Ba"]) == [[2, 1]]

    def test_lists_of_words(self):
        tokenizer = Tokenizer()
        tokenizer.fit_on_texts([["New York", "is"], ["new york"]])
        assert tokenizer.texts_to_sequences([["NEW YORK", "was"]]) == [[1]]

    def test_generators(self):
        tokenizer = Tokenizer()
        tokenizer.fit_on_texts(text for text in TEXTS)
        numbers = tokenizer.texts_to_sequences_generator(text for text in TEXTS)
        assert next(numbers) == [1, 4, 2, 3, 1, 5]
        assert next(tokenizer.sequences_to_texts_generator(iter([[4]]))) == "cat"

    def test_matrices(self):
        tokenizer = Tokenizer(num_words=4)
        tokenizer.fit_on_texts(TEXTS)
        texts = ["the sat the dog", ""]
        idf = np.log(1 + 3 / (1 + 2))  # 3 texts, each word in 2 of them
        expected = {"binary": [0, 1, 1, 0], "count": [0, 2, 1, 0], "freq": [0, 2 / 3, 1 / 3, 0],
                    "tfidf": [0, (1 + np.log(2)) * idf, idf, 0]}
        for mode, row in expected.items():
            found = tokenizer.texts_to_matrix(texts, mode)
            assert found.dtype == np.float64
            np.testing.assert_allclose(found, [row, [0, 0, 0, 0]], rtol=1e-15)

    def test_sequences_alone(self):
        tokenizer = Tokenizer(num_words=5)
        tokenizer.fit_on_sequences([[1, 1, 2], [2, 3]])
        found = tokenizer.sequences_to_matrix([[2]], mode="tfidf")
        np.testing.assert_allclose(found, [[0, 0, np.log(1 + 2 / 3), 0, 0]], rtol=1e-15)

    def test_too_early(self):
        with pytest.raises(ArgumentError, match="Specify a dimension"):
            Tokenizer().texts_to_matrix(["a"])
        with pytest.raises(ArgumentError, match="before using tfidf"):
            Tokenizer(num_words=3).sequences_to_matrix([[1]], mode="tfidf")
        with pytest.raises(ArgumentError, match="Unknown vectorization mode: sum"):
            Tokenizer(num_words=3).sequences_to_matrix([[1]], mode="sum")

    def test_old_name(self):
        with pytest.warns(UserWarning, match="renamed `num_words`"):
            assert Tokenizer(nb_words=7).num_words == 7
        with pytest.raises(TypeError, match="Unrecognized"):
            Tokenizer(words=7)

    def test_json(self):
        tokenizer = Tokenizer(num_words=5, oov_token="?", lower=False)
        tokenizer.fit_on_texts(TEXTS)
        text = tokenizer.to_json(indent=1)
        assert json.loads(text)["class_name"] == "Tokenizer"
        again = tokenizer_from_json(text)
        assert again.get_config() == tokenizer.get_config()
        np.testing.assert_array_equal(again.texts_to_matrix(TEXTS, "tfidf"), tokenizer.texts_to_matrix(TEXTS, "tfidf"))
        again.fit_on_texts(["The"])  # its tables count on
        assert again.word_docs["The"] == 3

    @pytest.mark.parametrize("made", [np.array, lambda rows: np.array(rows, "float32"), lambda rows: rows])
    def test_json_of_sequences(self, made):
        tokenizer = Tokenizer(num_words=5)
        tokenizer.fit_on_sequences(made([[1, 1, 2], [2, 3, 3]]))
        assert json.loads(tokenizer.get_config()["index_docs"]) == {"1": 1, "2": 2, "3": 1}
        again = tokenizer_from_json(tokenizer.to_json())
        assert again.get_config() == tokenizer.get_config() and again.index_docs == {1: 1, 2: 2, 3: 1}

    @pytest.mark.parametrize("text", [
        "{", "[1]", '{"config": {"unknown": 1}}', '{"config": {"word_index": "[1]"}}',
        '{"config": {"index_word": "{\\"x\\": \\"a\\"}"}}', '{"config": {"word_counts": "{\\"x\\": \\"a\\"}"}}', "[" * 99999])
    def test_bad_json(self, text):
        with pytest.raises(ModelFormatError):
            tokenizer_from_json(text)
