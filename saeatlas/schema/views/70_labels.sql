-- Labels with the names of their SAE; search of features by words, which may be mistyped; and the
-- blocks that a feature is most active in. Used by everyone who writes SQL.

create view atlas.labels as
select
    label.id as label, sae.release, sae.sae_id, sae.layer, label.sae, label.feature, label.text,
    label.source, label.method, label.score, label.url,
    'https://www.neuronpedia.org/' || sae.neuronpedia_id || '/' || label.feature
        as neuronpedia_url
from atlas.label join atlas.sae on sae.id = label.sae;
comment on view atlas.labels is
    'Labels with the names of their SAE and the feature''s page on Neuronpedia, NULL if there is none.';

-- label_word stores the result: if this changes, a migration must compute its rows again
create function atlas.letter_pairs(word text)
returns text[] language sql immutable parallel safe
return array(
    select distinct substr(framed, i, 1) || substr(framed, i + gap, 1)
    from (select ' ' || word || ' ') as framed (framed),
        generate_series(1, length(framed)) as i, generate_series(1, 2) as gap
    where i + gap <= length(framed)
);
comment on function atlas.letter_pairs(text) is
    'The pairs of letters of a word that are next to each other or have one between them, its ends '
    'being spaces: two letters exchanged, or one too many, too few or wrong, leave most of them.';

create function atlas.closest_words(query text)
returns table (word text, closest text, lexeme text, closeness double precision)
language sql stable parallel safe
begin atomic
    with queried as materialized (
        select written.word, min(stem.lexeme) as lexeme, atlas.letter_pairs(written.word) as pairs
        from (
            select unnest(tsvector_to_array(
                to_tsvector('simple', regexp_replace(left(query, 1000), '[^[:alnum:]]+', ' ', 'g'))
            )) as word
        ) as written,
            lateral unnest(tsvector_to_array(to_tsvector('english', written.word))) as stem (lexeme)
        group by written.word
    )
    select queried.word, coalesce(near.word, queried.word), coalesce(near.lexeme, queried.lexeme),
        coalesce(near.closeness, 1)
    from queried
    left join lateral (
        select known.word, known.lexeme, shared.n::float8 / (
            cardinality(known.pairs) + cardinality(queried.pairs) - shared.n
        ) as closeness
        from atlas.label_word as known
        cross join lateral (
            select count(*) from unnest(known.pairs) as pair where pair = any (queried.pairs)
        ) as shared (n)
        where length(queried.word) > 3 and queried.word !~ '\d'
            and not exists (select from atlas.label_word as l where l.lexeme = queried.lexeme)
            and length(known.word) between length(queried.word) - 2 and length(queried.word) + 2
            -- to share half of all, it needs at least one of any half of the pairs and one more
            and known.pairs && queried.pairs[:cardinality(queried.pairs) / 2 + 1]
            and 2 * shared.n >= cardinality(known.pairs) + cardinality(queried.pairs) - shared.n
        order by closeness desc, known.word
        limit 3
    ) as near on true;
end;
comment on function atlas.closest_words(text) is
    'How about() reads a query: each of its words without stop words, with the closest word of labels, '
    'its stem and how close the two are, in (0, 1]. A word that no label has, of four letters or '
    'more and no digit, stands for the up to three words of labels that share at least half of all '
    'their letter_pairs with it.';

create aggregate atlas.all_of(tsquery) (sfunc = tsquery_and, stype = tsquery);
comment on aggregate atlas.all_of(tsquery) is 'A query for texts that fit all of these.';

create aggregate atlas.any_of(tsquery) (sfunc = tsquery_or, stype = tsquery);
comment on aggregate atlas.any_of(tsquery) is 'A query for texts that fit any of these.';

create function atlas.about(query text, k integer default 20, sae integer default null)
returns setof atlas.labels
language sql stable parallel safe
begin atomic
    with accepted as materialized (
        select word, closeness,
            ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery as fits
        from atlas.closest_words(query)
    ),
    wanted as materialized (
        select atlas.all_of(fits) as fully, atlas.any_of(fits) as partly
        from (select atlas.any_of(fits) from accepted group by word) as word (fits)
    ),
    full_match as materialized (
        select label.id, label.sae, label.feature, label.text, label.lexemes
        from atlas.label
        where label.lexemes @@ (select fully from wanted)
            and (about.sae is null or label.sae = about.sae)
    ),
    match as (
        select * from full_match
        union all
        select label.id, label.sae, label.feature, label.text, label.lexemes
        from atlas.label
        where label.lexemes @@ (select partly from wanted)
            and not label.lexemes @@ (select fully from wanted)
            and (about.sae is null or label.sae = about.sae)
            and (select count(distinct (full_match.sae, feature)) from full_match) < k
    ),
    ranked as (
        select match.id, match.sae, match.feature, row_number() over (
            order by fitting.words desc, fitting.closeness desc,
                ts_rank(match.lexemes, wanted.partly) desc, length(match.text),
                match.sae, match.feature, match.id
        ) as rank
        from match cross join wanted cross join lateral (
            select count(*), sum(closeness)
            from (
                select max(closeness) from accepted where match.lexemes @@ accepted.fits group by word
            ) as word (closeness)
        ) as fitting (words, closeness)
    ),
    best as (select min(rank) as rank from ranked group by ranked.sae, feature)
    select labels.*
    from best join ranked using (rank) join atlas.labels on labels.label = ranked.id
    order by rank
    limit k;
end;
comment on function atlas.about(text, integer, integer) is
    'The k features whose labels fit a few words best, each with its best label: those with more of '
    'the words first, then by how close mistyped words are (closest_words), ts_rank, the shorter '
    'label, SAE and feature. Word forms do not matter. Rows come best first; `with ordinality` '
    'numbers them.';

create function atlas.bitmap_peaks(bitmap integer, feature integer)
returns table (block integer, peak real)
language sql stable parallel safe
begin atomic
    with marked as materialized (
        -- in a table each get_bit would read the whole string again
        select chunk.first_block, chunk.n_blocks, feature_bitmap.bits || B'' as bits
        from atlas.feature_bitmap
        join atlas.bitmap_chunk as chunk
            on chunk.bitmap = feature_bitmap.bitmap and chunk.chunk = feature_bitmap.chunk
        where feature_bitmap.bitmap = bitmap_peaks.bitmap
            and feature_bitmap.feature = bitmap_peaks.feature
    )
    select activation.block,
        activation.peaks[array_position(activation.features, bitmap_peaks.feature)]
    from marked
    cross join generate_series(0, marked.n_blocks - 1) as i
    join atlas.activation
        on activation.recording
            = (select recording from atlas.bitmap as b where b.id = bitmap_peaks.bitmap)
        and activation.block = marked.first_block + i
    where get_bit(marked.bits, i) = 1;
end;
comment on function atlas.bitmap_peaks(integer, integer) is
    'Blocks in which a bitmap has a feature active, with its maximum activation in each: quick where '
    'they are few.';

create function atlas.feature_peaks(recording integer, feature integer)
returns table (block integer, peak real)
language sql stable parallel safe
begin atomic
    with complete as materialized (
        select bitmap.id
        from atlas.bitmap join atlas.recording as recorded on recorded.id = bitmap.recording
        where recorded.id = feature_peaks.recording and bitmap.n_blocks = recorded.n_blocks
            and bitmap.threshold <= recorded.keep_above and not bitmap.relative
        limit 1
    )
    select peaks.block, peaks.peak
    from atlas.bitmap_peaks((select id from complete), feature_peaks.feature) as peaks
    union all
    select activation.block,
        activation.peaks[array_position(activation.features, feature_peaks.feature)]
    from atlas.activation
    where activation.recording = feature_peaks.recording
        and activation.features @> array[feature_peaks.feature]
        and not exists (select from complete);
end;
comment on function atlas.feature_peaks(integer, integer) is
    'All blocks in which a feature is active, with its maximum activation in each. Reads every block '
    'of the recording, unless co-occurrence was counted at the recording''s activation floor '
    '(keep_above).';

create function atlas.top_blocks(recording integer, feature integer, k integer default 10)
returns table (block integer, document integer, subset text, peak real, text text)
language sql stable parallel safe
begin atomic
    with marked as materialized (
        select peaks.block, peaks.peak
        from (
            select bitmap.id
            from atlas.bitmap join atlas.recording as recorded on recorded.id = bitmap.recording
            where recorded.id = top_blocks.recording and bitmap.n_blocks = recorded.n_blocks
            order by bitmap.threshold desc, bitmap.id
            limit 1
        ) as strictest
        cross join atlas.bitmap_peaks(strictest.id, top_blocks.feature) as peaks
    ),
    top as (
        -- every block that a bitmap marks has a larger maximum than any that it does not mark
        select marked.block, marked.peak from marked
        where (select count(*) from marked) >= top_blocks.k
        union all
        select peaks.block, peaks.peak
        from atlas.feature_peaks(top_blocks.recording, top_blocks.feature) as peaks
        where (select count(*) from marked) < top_blocks.k
        order by peak desc, block
        limit top_blocks.k
    )
    select top.block, block.document, document.subset, top.peak, block.text
    from top
    join atlas.recording as recorded on recorded.id = top_blocks.recording
    join atlas.block on block.corpus = recorded.corpus and block.block = top.block
    join atlas.document on document.corpus = block.corpus and document.document = block.document
    order by top.peak desc, top.block;
end;
comment on function atlas.top_blocks(integer, integer, integer) is
    'The k blocks of a recording in which a feature''s maximum activation (peak) is largest, with '
    'their document and text (NULL if ingested without --text); ties by number. Quick once '
    'co-occurrence was counted, if k blocks are above its threshold; else every block is read.';

create function atlas.blocks_by_quantile(
    recording integer, feature integer, bins integer default 10, each integer default 2
)
returns table (
    bin integer, block integer, document integer, subset text, peak real, text text
)
language sql stable parallel safe
begin atomic
    with binned as materialized (
        select peaks.block, peaks.peak,
            ntile(blocks_by_quantile.bins) over (order by peaks.peak, peaks.block) as bin
        from atlas.feature_peaks(blocks_by_quantile.recording, blocks_by_quantile.feature) as peaks
    ),
    placed as (
        select binned.*, count(*) over (partition by binned.bin) as n,
            row_number() over (partition by binned.bin order by binned.peak, binned.block) as place
        from binned
    ),
    chosen as (
        -- the places nearest to the middles of as many equal parts of the bin
        select placed.bin, placed.block, placed.peak
        from placed
        where exists (
            select from generate_series(1, blocks_by_quantile.each) as i
            where placed.place = (2 * i - 1) * placed.n / (2 * blocks_by_quantile.each) + 1
        )
    )
    select chosen.bin, chosen.block, block.document, document.subset, chosen.peak, block.text
    from chosen
    join atlas.recording as recorded on recorded.id = blocks_by_quantile.recording
    join atlas.block on block.corpus = recorded.corpus and block.block = chosen.block
    join atlas.document on document.corpus = block.corpus and document.document = block.document
    order by chosen.bin, chosen.peak, chosen.block;
end;
comment on function atlas.blocks_by_quantile(integer, integer, integer, integer) is
    'Blocks spread evenly over a feature''s activations: the blocks it is active in are sorted by '
    'maximum activation (peak) into bins of equal size, 1 being the weakest, and up to `each` evenly '
    'spaced blocks are taken from each bin. The result is always the same.';
