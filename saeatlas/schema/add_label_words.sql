-- Add to label_word the words of the labels that were just taken in. A word that is there stays.
-- Used by vocabulary.py.
insert into label_word (word, lexeme, pairs)
select word, stem.lexeme, letter_pairs(word)
from (
    select distinct unnest(tsvector_to_array(
        to_tsvector('simple', regexp_replace(text, '[^[:alnum:]]+', ' ', 'g'))
    )) as word
    from incoming_label
) as said,
    lateral unnest(tsvector_to_array(to_tsvector('english', word))) as stem (lexeme)
order by word
on conflict (word) do nothing
