-- One row a space of word vectors. Used by status.py.
select space, name, model, layer, site, d, n_words
from word_spaces
order by space
