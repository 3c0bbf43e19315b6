-- Take out of label_word what no label says any more. Used by vocabulary.py.
delete from label_word
where lexeme not in (select word from ts_stat('select lexemes from label'))
