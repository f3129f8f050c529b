-- A finished run as views for DuckDB: each reads the files that the manifest of its dataset lists, and no others.
-- Run it in the folder that holds data/: `duckdb -init views.sql`.

CREATE OR REPLACE MACRO listed(dataset, files) AS list_transform(files, lambda file:
    CASE WHEN file.path LIKE '\_%' ESCAPE '\' THEN 'data/ledger/' || dataset || '/' || substr(file.path, 2) ELSE 'data/' || dataset || '/' || file.path END);
CREATE OR REPLACE MACRO part_of(path) AS regexp_replace(parse_filename(path), '\.[0-9a-f]{16}\.parquet$', '');

SET VARIABLE documents = (SELECT listed('documents', parts) FROM 'data/ledger/documents/manifest.json');
SET VARIABLE records_rejected = (SELECT listed('documents', rejected) FROM 'data/ledger/documents/manifest.json');
SET VARIABLE signals = (SELECT listed('signals', parts) FROM 'data/ledger/signals/manifest.json');
SET VARIABLE verdicts = (SELECT listed('verdicts', parts) FROM 'data/ledger/verdicts/manifest.json');
SET VARIABLE duplicates = (SELECT listed('duplicates', parts) FROM 'data/ledger/duplicates/manifest.json');
SET VARIABLE curated = (SELECT listed('curated', parts) FROM 'data/ledger/curated/manifest.json');
SET VARIABLE documents_rejected = (SELECT listed('curated', rejected) FROM 'data/ledger/curated/manifest.json');

-- documents, signals, verdicts and duplicates have the same parts with the same rows, so (part, row) joins them. `id` does
-- not: a record that is stored twice has the same id twice.
CREATE OR REPLACE VIEW documents AS
    SELECT part_of(filename) AS part, file_row_number AS row, * EXCLUDE (filename, file_row_number)
    FROM read_parquet(getvariable('documents'), filename = true, file_row_number = true);
CREATE OR REPLACE VIEW signals AS
    SELECT part_of(filename) AS part, file_row_number AS row, * EXCLUDE (filename, file_row_number)
    FROM read_parquet(getvariable('signals'), filename = true, file_row_number = true);
CREATE OR REPLACE VIEW verdicts AS
    SELECT part_of(filename) AS part, file_row_number AS row, * EXCLUDE (filename, file_row_number)
    FROM read_parquet(getvariable('verdicts'), filename = true, file_row_number = true);
CREATE OR REPLACE VIEW duplicates AS
    SELECT part_of(filename) AS part, file_row_number AS row, * EXCLUDE (filename, file_row_number)
    FROM read_parquet(getvariable('duplicates'), filename = true, file_row_number = true);

-- What extract rejected or quarantined, and what became of documents that gave no text to train on.
CREATE OR REPLACE VIEW records_rejected AS FROM read_parquet(getvariable('records_rejected'));
CREATE OR REPLACE VIEW documents_rejected AS FROM read_parquet(getvariable('documents_rejected'));
CREATE OR REPLACE VIEW curated AS FROM read_parquet(getvariable('curated'));

-- Pieces as tokens, of every tokenizer there is; this one fails before `tokenize` has run.
SET VARIABLE tokens = (
    SELECT flatten(list(listed('tokens/' || regexp_extract(filename, 'tokens/([^/]+)/', 1), parts)))
    FROM read_json('data/ledger/tokens/*/manifest.json', filename = true));
CREATE OR REPLACE VIEW tokens AS
    SELECT regexp_extract(filename, 'tokens/([^/]+)/', 1) AS tokenizer, * EXCLUDE (filename)
    FROM read_parquet(getvariable('tokens'), filename = true);
