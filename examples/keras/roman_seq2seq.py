"""From one sequence to another of different length: "1984" becomes "MCMLXXXIV".

As in I. Sutskever, O. Vinyals, Q. V. Le, "Sequence to Sequence Learning with Neural Networks", 2014: an encoder's
last states are the decoder's first ones. In training the decoder is given the right answer, one step late; afterwards
it reads what it wrote itself.

Shows: return_state, initial_state, three models that share layers, Masking (the padding counts for nothing), a
decoding loop with predict.
"""

import numpy as np
from keras.layers import LSTM, Dense, Input, Masking
from keras.models import Model
from small_data import report

DIGITS, LETTERS = "0123456789", "<>IVXLCDM"  # < begins an answer, > ends it
BIGGEST, UNITS, TEST = 1999, 64, 400


def roman(number):
    """The plain rule, which the network has to find from examples."""
    text = ""
    for value, letters in zip([1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1],
                              ["M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"]):
        text += letters * (number // value)
        number %= value
    return text


def one_hot(texts, alphabet, length):
    """(n, length, letters); rows of zeros behind a text's end, which Masking skips."""
    codes = np.zeros((len(texts), length, len(alphabet)), "float32")
    for row, text in enumerate(texts):
        for step, letter in enumerate(text):
            codes[row, step, alphabet.index(letter)] = 1
    return codes


np.random.seed(15)
numbers = np.random.permutation(np.arange(1, BIGGEST + 1))
answers = [roman(number) for number in numbers]
longest = max(map(len, answers)) + 1
asked = one_hot([str(number) for number in numbers], DIGITS, 4)
given = one_hot(["<" + answer for answer in answers], LETTERS, longest)
wanted = one_hot([answer + ">" for answer in answers], LETTERS, longest)

# Training: both sequences at once.
question = Input(shape=(None, len(DIGITS)), name="question")
_, *states = LSTM(UNITS, return_state=True, name="encoder")(Masking()(question))
answer = Input(shape=(None, len(LETTERS)), name="answer")
read = Masking()
decoder = LSTM(UNITS, return_sequences=True, return_state=True, name="decoder")
choose = Dense(len(LETTERS), activation="softmax", name="letter")
written, _, _ = decoder(read(answer), initial_state=states)
model = Model([question, answer], choose(written))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit([asked[TEST:], given[TEST:]], wanted[TEST:], batch_size=32, epochs=30, verbose=2)

# Afterwards: one model reads the question, another writes one letter and hands its states on.
encode = Model(question, states)
before = [Input(shape=(UNITS,)), Input(shape=(UNITS,))]
written, *after = decoder(answer, initial_state=before)
step = Model([answer, *before], [choose(written), *after])


def translate(questions):
    """The likeliest letter at each step, for all questions at once, until each has written its end."""
    memory = encode.predict(questions)
    texts = ["<"] * len(questions)
    for _ in range(longest):
        last = one_hot([text[-1] for text in texts], LETTERS, 1)
        letters, *memory = step.predict([last, *memory])
        texts = [text + LETTERS[row[-1].argmax()] for text, row in zip(texts, letters)]
    return [text[1:].split(">")[0] for text in texts]


said = translate(asked[:TEST])
for number, text, right in list(zip(numbers, said, answers))[:5]:
    print(f"{number:4} {text}" + ("" if text == right else f"  (should be {right})"))
right = np.mean([a == b for a, b in zip(said, answers)])
report(f"share of {TEST} unseen numbers written rightly", right, at_least=0.9)
