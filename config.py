"""Settings of slim22-driver.py, by the original's names and with its values.

Four arguments on the command line take the place of `lstm`, `batch_size`, `nb_epochs`
and `eta`; the history is then named after the variant that ran instead of `name`.
"""

batch_size = 32
nb_classes = 2  # of the reviews: bad or good; nothing else can be set
nb_epochs = 1
hidden_units = 100
embedding_vector_length = 32
top_words = 5000  # the most frequent words that are kept; all others become one
max_review_length = 500  # the last words that are kept; shorter reviews are padded
act = "sigmoid"  # the activation of the recurrent layer and of the output
lstm = "LSTM3"  # LSTM, LSTM1, 2, 3, 4, 4a, 5, 5a, 6, 10 or 11
eta = 1.2e-5  # the learning rate
name = lstm.lower()  # the history is written to NAME.p and NAME.json
