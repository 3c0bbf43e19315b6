-- name: lock_labels
-- Wait until no other transaction changes labels and their words; held until this one ends. Reading
-- goes on meanwhile. A login that may only read cannot take this lock.
lock table label_word in share row exclusive mode

-- name: add_label_words
-- Add to label_word the words of the labels that were just ingested. A known word stays as it is.
insert into label_word (word, lexeme, pairs)
select word, stem.lexeme, letter_pairs(word)
from (
    select distinct unnest(tsvector_to_array(
        to_tsvector('simple', regexp_replace(text, '[^[:alnum:]]+', ' ', 'g'))
    )) as word
    from incoming_label
) as written,
    lateral unnest(tsvector_to_array(to_tsvector('english', word))) as stem (lexeme)
order by word
on conflict (word) do nothing

-- name: prune_label_words
-- Delete from label_word the words that no label has any more.
delete from label_word
where lexeme not in (select word from ts_stat('select lexemes from label'))
