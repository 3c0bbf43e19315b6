-- name: lock_labels
-- Wait until no other transaction changes labels and their words; held until this one ends.
select pg_advisory_xact_lock(hashtext('saeatlas labels'))

-- name: add_label_words
-- Add to label_word the words of the labels that were just taken in. A word that is there stays.
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

-- name: prune_label_words
-- Take out of label_word what no label says any more.
delete from label_word
where lexeme not in (select word from ts_stat('select lexemes from label'))
