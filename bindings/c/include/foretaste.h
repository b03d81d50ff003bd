// foretaste: an embedded vector database. docs/guides/c.md walks through this interface.
//
// Made by cbindgen of bindings/c/src; do not edit it by hand.
//
// Calls give an ft_status; ft_last_error says in words what went wrong, for the thread that asks. What a call gives comes through
// its last pointers: a handle there is NULL after an error.
//
// Handles are opaque. Each has a function that frees it, to which NULL is fine; it must be freed once, and not while a call uses
// it. A handle passed as `const` may be used by several threads at once; any other by one at a time.
//
// Text is UTF-8 and ends with a NUL byte; ids have a length. Pointers that are given are read while the call lasts and not kept,
// unless a function says otherwise. A pointer must be NULL, or have behind it what the function says; NULL where something is needed
// gives FT_STATUS_BAD_ARGUMENT.
//
// Structs that begin with `size` may grow in later versions: set them to zeros, then `size` to sizeof.

#ifndef FORETASTE_H
#define FORETASTE_H

#include <stddef.h>
#include <stdint.h>

// The version that this header is of; ft_version gives that of the library.
#define FT_VERSION "0.1.0"

// The id is `number`.
#define FT_ID_INT 1

// The id is `len` bytes at `text`.
#define FT_ID_TEXT 2

// A commit returns after its log record is synced to the disk: it survives a power loss. The default.
#define FT_DURABILITY_SYNC 0

// A commit returns at once, and is synced at most so many milliseconds later: a power loss may take that much.
#define FT_DURABILITY_INTERVAL 1

// A commit returns at once, and the system writes when it likes. Survives a killed process, not a power loss.
#define FT_DURABILITY_NONE 2

// Sealed files are mapped into memory. The default.
#define FT_ACCESS_MAP 0

// Sealed files are read: for network, removable or untrusted media.
#define FT_ACCESS_READ 1

// 1 - cosine.
#define FT_METRIC_COSINE 1

// Minus the dot product.
#define FT_METRIC_DOT 2

// Euclidean distance.
#define FT_METRIC_L2 3

// Numbers are stored as 32-bit floats. The default.
#define FT_ELEMENT_F32 0

// As 16-bit floats (IEEE half).
#define FT_ELEMENT_F16 1

// As bfloat16.
#define FT_ELEMENT_BF16 2

// As 8-bit integers with a scale a vector.
#define FT_ELEMENT_I8 3

// No variances. The default.
#define FT_VARIANCE_NONE 0

// One number a row: the variance of every dimension.
#define FT_VARIANCE_SCALAR 1

// One number a dimension, stored as f16.
#define FT_VARIANCE_DIAGONAL 2

// One number a dimension, in 8 bits on a logarithmic scale.
#define FT_VARIANCE_DIAGONAL_COMPACT 3

// A column of true and false.
#define FT_COLUMN_BOOL 0

// A column of 64-bit integers.
#define FT_COLUMN_INT 1

// A column of 64-bit floats.
#define FT_COLUMN_FLOAT 2

// A column of text.
#define FT_COLUMN_STR 3

// None for few rows, else a graph. The default.
#define FT_INDEX_AUTO 0

// None: every row is compared.
#define FT_INDEX_FLAT 1

// Cells around centroids (an inverted file).
#define FT_INDEX_IVF 2

// A navigable graph (HNSW).
#define FT_INDEX_HNSW 3

// The codes of an index are made of principal components. The default.
#define FT_ROTATION_PCA 0

// The codes of an index are made of the vectors as they are.
#define FT_ROTATION_NONE 1

// `edge_bits` for nodes without codes of their neighbours.
#define FT_EDGE_BITS_NONE 255

// The numbers are variances.
#define FT_SPREAD_VARIANCE 1

// The numbers are standard deviations.
#define FT_SPREAD_DEVIATION 2

// The numbers are natural logarithms of variances.
#define FT_SPREAD_LOG_VARIANCE 3

// Sums of weight / (kappa + rank) (reciprocal rank fusion; Cormack, Clarke and Büttcher, 2009). The parameter is kappa: how little
// the first ranks stand out; 0 is the published 60.
#define FT_FUSION_RRF 1

// Sums of weighted scores as z-scores of their lists.
#define FT_FUSION_ZSCORE 2

// Sums of weighted scores, from the least that could be (-1 for a cosine, 0 for full text) to the best of the list. For cosines alone.
#define FT_FUSION_MINMAX 3

// Sums of ranks.
#define FT_FUSION_BORDA 4

// Majorities of pairs.
#define FT_FUSION_COPELAND 5

// The order of the first ten that contradicts the lists least; beyond them Borda's.
#define FT_FUSION_KEMENY 6

// Median ranks, then a run-off by majorities: one list of three or more may be arbitrarily bad. The parameter is how many come into
// the second round; 0 is 10.
#define FT_FUSION_RUN_OFF 7

// Squared 2-Wasserstein distance.
#define FT_MEASURE_WASSERSTEIN 1

// Bhattacharyya distance.
#define FT_MEASURE_BHATTACHARYYA 2

// Minus the logarithm of the expected likelihood.
#define FT_MEASURE_EXPECTED_LIKELIHOOD 3

// Minus the logarithm of the likelihood.
#define FT_MEASURE_LOG_LIKELIHOOD 4

// The head of the list is scored in its order, and only as far as the answer is read. The default.
#define FT_SCORER_RETRIEVE 0

// Rows are scored in rounds, and searched between them with a query that is estimated anew from the scores.
#define FT_SCORER_ADAPTIVE 1

// A rotation (centred orthogonal Procrustes): the safest with few pairs, and exact when the models differ by a rotation. The default.
#define FT_FIT_PROCRUSTES 0

// The same with one factor for all vectors.
#define FT_FIT_PROCRUSTES_SCALED 1

// Ridge regression, for models that differ in more than directions. Wants several times more pairs than dimensions. The parameter
// holds the map back, in parts of the mean variance of a dimension; 0 is the one with the smallest error of leaving each pair out.
#define FT_FIT_RIDGE 2

// Similarities with some of the pairs; the parameter is with how many, at least 1 and at most three quarters of them.
#define FT_FIT_ANCHORS 3

// Rows are embedded again in the order they are stored in.
#define FT_ORDER_STORED 0

// The most uncertain rows first: those with the largest sum of variances.
#define FT_ORDER_VARIANCE 1

// What a call came to. `ft_last_error` says it in words. Later versions may have more of them.
typedef enum ft_status {
    // It is done.
    FT_STATUS_OK = 0,
    // There is no such database, collection, field or row.
    FT_STATUS_NOT_FOUND = 1,
    // A collection of this name exists already.
    FT_STATUS_EXISTS = 2,
    // Another process has the database open for writing.
    FT_STATUS_LOCKED = 3,
    // A file is damaged; the message names it and the place.
    FT_STATUS_CORRUPT = 4,
    // The database was written by a newer version of the format.
    FT_STATUS_FORMAT_TOO_NEW = 5,
    // A vector has the wrong number of dimensions.
    FT_STATUS_DIMENSION_MISMATCH = 6,
    // A vector or variance has a NaN or an infinity.
    FT_STATUS_NON_FINITE = 7,
    // A number is larger than the collection's element type can hold.
    FT_STATUS_OUT_OF_RANGE = 8,
    // A vector of zeros, in a collection that compares directions.
    FT_STATUS_ZERO_VECTOR = 9,
    // A variance is negative, of the wrong length, or not expected.
    FT_STATUS_BAD_VARIANCE = 10,
    // A token matrix does not fit the collection.
    FT_STATUS_BAD_TOKENS = 11,
    // A document is not a JSON object, or does not have the types that columns declare.
    FT_STATUS_BAD_PAYLOAD = 12,
    // The same id stands twice in one batch.
    FT_STATUS_DUPLICATE_ID = 13,
    // A filter cannot be read; the message says at which byte.
    FT_STATUS_BAD_FILTER = 14,
    // A schema, option or request that cannot be served.
    FT_STATUS_BAD_REQUEST = 15,
    // The database was opened to be read.
    FT_STATUS_READ_ONLY = 16,
    // A callback or a canceller said so.
    FT_STATUS_CANCELLED = 17,
    // A size is beyond what the format or the memory allows.
    FT_STATUS_LIMIT_EXCEEDED = 18,
    // Writing has stopped after a failure, or the database was closed.
    FT_STATUS_POISONED = 19,
    // A file to import cannot be read.
    FT_STATUS_IMPORT = 20,
    // The operating system refused an operation.
    FT_STATUS_IO = 21,
    // An argument is NULL where it must not be, not UTF-8, or not one of the values there are.
    FT_STATUS_BAD_ARGUMENT = 22,
    // What there is does not fit into the room that was given.
    FT_STATUS_TOO_SMALL = 23,
    // The library has a fault. What was committed is safe; the handles of the call should be freed.
    FT_STATUS_PANICKED = 24,
    // An error that this interface has no name for yet.
    FT_STATUS_OTHER = 25,
} ft_status;

// What long work is doing.
typedef enum ft_doing {
    // Something that this interface has no name for yet.
    FT_DOING_OTHER = 0,
    // Merging segments.
    FT_DOING_COMPACT = 1,
    // Learning the rotation and the scales of an index's codes from a sample.
    FT_DOING_TRAIN = 2,
    // Coding the rows, or gathering the words of their documents.
    FT_DOING_ENCODE = 3,
    // Finding centroids and the cells of the rows.
    FT_DOING_CELLS = 4,
    // Looking for neighbours and linking them.
    FT_DOING_LINK = 5,
    // Trying how far answers can be trusted.
    FT_DOING_MEASURE = 6,
    // Verifying bytes.
    FT_DOING_CHECK = 7,
    // Reading and committing rows of a file.
    FT_DOING_IMPORT = 8,
} ft_doing;

// How a row was compared, from rough to final.
typedef enum ft_stage {
    // Not by a vector, or nothing was found.
    FT_STAGE_NONE = 0,
    // By the codes near the entry of an index, before it was searched.
    FT_STAGE_SKETCH = 1,
    // Seen by a search in an index that goes on, and compared by its stored vector.
    FT_STAGE_BEAM = 2,
    // By its stored vector, at a shorter level than the last.
    FT_STAGE_REFINE = 3,
    // By its stored vector.
    FT_STAGE_EXACT = 4,
    // By a stage behind the search.
    FT_STAGE_RERANK = 5,
} ft_stage;

// Why an answer is at its end.
typedef enum ft_stopped {
    // It is not: another revision may come.
    FT_STOPPED_NOT_YET = 0,
    // It is the settled answer.
    FT_STOPPED_COMPLETE = 1,
    // The same, and there are no more rows that match.
    FT_STOPPED_EXHAUSTED = 2,
    // The deadline passed: it is the best so far.
    FT_STOPPED_DEADLINE = 3,
    // As many rows were compared as were allowed: it is the best so far.
    FT_STOPPED_BUDGET = 4,
    // It was cancelled: it is the best so far.
    FT_STOPPED_CANCELLED = 5,
    // A scorer failed: it is the best so far, and `ft_hits_problem` says what went wrong.
    FT_STOPPED_SCORER_FAILED = 6,
} ft_stopped;

// A linear map from the vectors of one model to those of another, for queries. It may be used from any thread, also from several at
// once.
typedef struct ft_adapter ft_adapter;

// A search on its way. One thread may use it at a time; its canceller may be used from any other. It outlives the handles of the
// database.
typedef struct ft_answer ft_answer;

// The rows that wait to be embedded again, as they were when this was made. One thread may use it at a time.
typedef struct ft_backfill ft_backfill;

// A batch being put together. One thread may use it at a time.
typedef struct ft_batch ft_batch;

// Ends work from any thread. It may outlive what it cancels.
typedef struct ft_canceller ft_canceller;

// The change of a collection's model on its way, or one that was made and can be taken back. It may be used from any thread, also
// from several at once, and keeps the database open.
typedef struct ft_change ft_change;

// A collection of an open database. It may be used from any thread, also from several at once, and keeps the database open.
typedef struct ft_collection ft_collection;

// An open database. It may be used from any thread, also from several at once. Not in a fork of the process that opened it for
// writing: such a process has copies of its handles without the threads behind them, and must neither use nor free them.
typedef struct ft_database ft_database;

// Ranked lists that are to become one: the search's own, and those that are added. One thread may prepare it at a time. Setters that
// fail make `ft_rerank_fuse` fail.
typedef struct ft_fuse ft_fuse;

// What a search found, best first. It may be used from any thread, and outlives the handles of the database.
typedef struct ft_hits ft_hits;

// How a database is opened. Setters that fail make the opening fail.
typedef struct ft_options ft_options;

// Some of these rows. They may be read from any thread, also from several at once.
typedef struct ft_pending ft_pending;

// A row as it is stored.
typedef struct ft_record ft_record;

// A stage that refines the list of a search. It does not change: several searches and answers may have the same one, also at once.
typedef struct ft_rerank ft_rerank;

// A way through all rows of a snapshot. One thread may use it at a time. It outlives the handles of the database.
typedef struct ft_scan ft_scan;

// What a collection holds, put together by calls. Setters that fail make the creation of the collection fail.
typedef struct ft_schema ft_schema;

// A search in a collection or snapshot: what is asked beside the query. Prepared by one thread, it may then be asked by several at
// once. Setters that fail make the search fail.
typedef struct ft_search ft_search;

// A consistent view of a collection for many reads: later commits do not show in it. It may be used from any thread, also from
// several at once, and outlives the handles of the database.
typedef struct ft_snapshot ft_snapshot;

// The id of a row: a 64-bit integer, or UTF-8 text of at most 1,024 bytes. `ft_id_int` and `ft_id_text` make one.
//
// In what the library fills, `text` is also ended by a NUL byte, and belongs to the handle that the struct was read from.
typedef struct ft_id {
    // FT_ID_INT or FT_ID_TEXT.
    uint32_t kind;
    // The number; 0 for text.
    int64_t number;
    // The text; NULL for a number.
    const char *text;
    // The bytes of the text, without the NUL.
    size_t len;
} ft_id;

// How far long work is. Later versions may have more members at its end.
typedef struct ft_progress {
    // What it is doing.
    enum ft_doing doing;
    // The part of this that is done, from 0 to 1.
    double part;
    // Rows (FT_DOING_CHECK: bytes) that this goes through; 0 of a file that does not say how many it has.
    uint64_t total;
    // Segments that still have to be indexed, this one included; 0 while none is.
    size_t segments;
    // How many of `total` are done, about; of a file: how many of its rows are in, those of earlier calls too.
    uint64_t done;
} ft_progress;

// Told how far long work is; 0 ends the work, anything else lets it go on. It is called on the thread of the call that it was
// given to. It must not free a handle that the call uses, nor leave by longjmp or an exception.
typedef int (*ft_progress_fn)(void *data, const struct ft_progress *now);

// One row found. This struct does not grow: what else there is to say of a hit comes by functions of its own.
typedef struct ft_hit {
    // Its id, of the kind it was written with.
    struct ft_id id;
    // The metric's own distance, smaller is nearer; NaN of a full-text search.
    double distance;
    // What it is ranked by, larger is better.
    double score;
    // By how much `distance` may still differ from the final one: 0 when it comes from the stored vector.
    double error;
    // How likely it is among the true nearest; NaN when that is not known.
    double p_final;
    // The sum of its variances over the dimensions that are compared; NaN where rows have none.
    double uncertainty;
    // How it was compared.
    enum ft_stage stage;
} ft_hit;

// An index that is wanted. Set it to zeros, then `size` to its sizeof; what is left 0 is chosen by the library.
typedef struct ft_index {
    // sizeof(ft_index).
    size_t size;
    // One of FT_INDEX_*.
    uint32_t kind;
    // HNSW: half the links of a node, which are rounded up to a multiple of 32.
    uint32_t m;
    // HNSW: how many candidates for a node's links are looked for.
    uint32_t ef_construction;
    // HNSW: bits a dimension of the codes that a node keeps of its neighbours: 1, 2 or 4, or FT_EDGE_BITS_NONE.
    uint32_t edge_bits;
    // IVF: how many cells.
    uint32_t nlist;
} ft_index;

// A row to write. Set it to zeros, then `size` to its sizeof, `id`, `vector` and `dim`; the rest may stay 0. All of it is copied
// by the call it is given to.
typedef struct ft_row {
    // sizeof(ft_row).
    size_t size;
    // Its id.
    struct ft_id id;
    // Its vector: as many numbers as one of the collection's levels has.
    const float *vector;
    // How many.
    size_t dim;
    // Its document, a JSON object, or NULL.
    const char *payload;
    // How uncertain the vector is: one number for a scalar variance, as many as the vector has for a diagonal one; or NULL.
    const float *variance;
    // How many.
    size_t variance_len;
    // What these numbers are: one of FT_SPREAD_*. There is no default, so that deviations are not taken for variances.
    uint32_t variance_kind;
    // Its token matrix, token after token; or NULL.
    const float *tokens;
    // How many numbers that is in all.
    size_t tokens_len;
    // Its vectors in further fields, or NULL.
    const struct ft_field_vector *fields;
    // How many.
    size_t fields_len;
} ft_row;

// A row's vector in a further field.
typedef struct ft_field_vector {
    // The field's name; NULL for the space that the collection is being changed to (`ft_collection_begin_change`).
    const char *name;
    // The vector.
    const float *vector;
    // How many numbers.
    size_t dim;
    // How uncertain it is, or NULL.
    const float *variance;
    // How many numbers.
    size_t variance_len;
    // One of FT_SPREAD_*.
    uint32_t variance_kind;
} ft_field_vector;

// What a row has. Set `size` to sizeof(ft_record_view) before `ft_record_read`. All pointers are into the record, and valid until it is
// freed.
typedef struct ft_record_view {
    // sizeof(ft_record_view).
    size_t size;
    // Its id, of the kind it was written with.
    struct ft_id id;
    // Its vector, as the element type keeps it.
    const float *vector;
    // How many numbers: those of the levels that the row has.
    size_t dim;
    // Its variances as stored; NULL without.
    const float *variance;
    // How many.
    size_t variance_len;
    // The numbers of its token matrix, token after token; NULL without.
    const float *tokens;
    // How many in all.
    size_t tokens_len;
    // Its document as JSON; NULL without.
    const char *payload;
    // Counts the operation that wrote it; a later one is larger.
    uint64_t version;
} ft_record_view;

// What is to be said of a list of hits. Set `size` to sizeof(ft_hits_info) before `ft_hits_read_info`.
typedef struct ft_hits_info {
    // sizeof(ft_hits_info).
    size_t size;
    // How many hits there are.
    size_t len;
    // So many of the first hits will not change: surely in the last list, before it in 19 of 20 searches.
    size_t settled;
    // Which revision of an answer it is, counted from 1; 0 of a search that was answered at once.
    uint32_t number;
    // What the newest of its hits come from.
    enum ft_stage stage;
    // Why there will be no more; FT_STOPPED_NOT_YET while there may be.
    enum ft_stopped stopped;
    // Which part of the true nearest rows it has, as far as can be expected; NaN when that is not known.
    double estimated_recall;
    // It has at least this part of them, in 19 of 20 searches a segment whose index is asked; NaN when that is not known.
    double recall_lower_bound;
    // The sum of the query's own variances; NaN when they were not said.
    double query_uncertainty;
    // Time since the search was begun, in nanoseconds.
    uint64_t elapsed_ns;
    // Rows whose distance was computed from their vectors.
    uint64_t rows_exact;
    // Nodes and rows that indexes compared by their codes.
    uint64_t index_steps;
    // Rows that the filter or a deletion left out.
    uint64_t rows_refused;
    // Bytes of vectors read.
    uint64_t bytes_read;
    // Ids that a scorer was asked for.
    uint64_t scorer_calls;
    // Rows whose score was remembered.
    uint64_t scores_remembered;
} ft_hits_info;

// Scores rows by their ids: puts `count` numbers into `scores`, in the order of `ids`; larger is better. What the query is, it knows
// from `data`. The ids are valid while it runs. It gives 0 when it has scored them; anything else ends the reranking with the
// best answer so far, and `ft_hits_problem` says so.
//
// It is called on the thread that asks (`ft_search_run`, `ft_search_into`, `ft_answer_next`); by `ft_search_batch`, or when several
// threads ask, on several at once. It must not leave by longjmp or an exception.
typedef int (*ft_scorer_fn)(void *data, const struct ft_id *ids, size_t count, double *scores);

// Called once with the data of a scorer when nothing uses it any more, on the thread that used it last.
typedef void (*ft_release_fn)(void *data);

// An expensive scorer on a budget. Set it to zeros, then `size` to its sizeof and `score`; what is left 0 is chosen by the library.
typedef struct ft_scorer {
    // sizeof(ft_scorer).
    size_t size;
    // Scores rows.
    ft_scorer_fn score;
    // What `score` and `release` are given. It has to stay until `release`; without one, until the stage and all searches
    // and answers that have it are freed.
    void *data;
    // Called once when nothing uses `data` any more, if the call that the struct was given to succeeded; or NULL.
    ft_release_fn release;
    // Most ids that are scored; 0 is 100.
    size_t budget;
    // Most ids that are asked for at once; 0 is 32.
    size_t batch;
    // One of FT_SCORER_*.
    uint32_t mode;
    // The name under which scores are remembered, what they depend on beside query and row; NULL remembers none.
    const char *version;
    // What scores are remembered under instead of the query's vector, as the query's text; or NULL.
    const char *query_key;
} ft_scorer;

// A file to import, and what of it. Set it to zeros, then `size` to its sizeof and `path`; the rest may stay 0.
typedef struct ft_import {
    // sizeof(ft_import).
    size_t size;
    // The file.
    const char *path;
    // Its format: "hdf5" (in the ANN-benchmarks layout), "npy", "npz", "fvecs", "bvecs", "ivecs", "parquet", "jsonl" or "csv"; NULL when
    // the file's extension says it.
    const char *format;
    // The dataset, array, field or column that holds the vectors; NULL is the format's usual one. In CSV, "v*" is every column whose
    // name starts with v, in file order.
    const char *vector;
    // The dataset, array, field or column that holds the ids; NULL is the format's usual one. Rows without ids get their number in the
    // file, from 0.
    const char *id;
    // Rows of one batch, which is one durable commit; 0 is 4,096 or about 8 MiB, whichever is less.
    size_t batch_rows;
    // Only the file's first rows, this many; 0 is all.
    uint64_t limit;
} ft_import;

// What a file has. Set `size` to sizeof(ft_file_shape) before `ft_import_look`.
typedef struct ft_file_shape {
    // sizeof(ft_file_shape).
    size_t size;
    // Numbers of a vector; 0 when the file has no rows.
    size_t dim;
    // How many rows; UINT64_MAX when the format does not say.
    uint64_t rows;
    // The metric that the file asks for, one of FT_METRIC_*; 0 when it says none.
    uint32_t metric;
} ft_file_shape;

// What an import did. Set `size` to sizeof(ft_imported) before.
typedef struct ft_imported {
    // sizeof(ft_imported).
    size_t size;
    // Rows of the file written by this call.
    uint64_t rows;
    // Rows that an interrupted call had written before; they were passed over.
    uint64_t rows_before;
    // Batches committed.
    uint64_t batches;
    // Bytes of the file read.
    uint64_t bytes;
} ft_imported;

// How a map is fitted. Set it to zeros, then `size` to its sizeof; the rest may stay 0.
typedef struct ft_fit {
    // sizeof(ft_fit).
    size_t size;
    // One of FT_FIT_*.
    uint32_t method;
    // How vectors are compared: one of FT_METRIC_*; 0 is the cosine.
    uint32_t metric;
    // The method's parameter.
    double parameter;
    // How many threads take part; 0 is 1. The result does not depend on it.
    size_t threads;
} ft_fit;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What went wrong in the last call of this thread that gave a status: empty after FT_STATUS_OK, never NULL. It is valid until the
// thread's next such call; copy it to keep it. The `_free` functions leave it as it is.
const char *ft_last_error(void);

// The name of a status, as "NOT_FOUND"; "UNKNOWN" for a number that is none. Never NULL, and never freed.
const char *ft_status_name(int32_t status);

// Frees text that the library gave as a `char *`. NULL is fine.
void ft_string_free(char *text);

// The id `number`.
struct ft_id ft_id_int(int64_t number);

// The id `text`, which ends with a NUL byte. It is not copied: it has to stay as long as the id is used. For NULL the id is one
// that every call refuses.
struct ft_id ft_id_text(const char *text);

// New options: for writing, created when it is missing, durable.
enum ft_status ft_options_new(struct ft_options **options);

// Frees options. NULL is fine.
void ft_options_free(struct ft_options *options);

// With `yes` not 0 it is opened without the right to write: beside a writer, beside other readers, and on read-only media.
enum ft_status ft_options_read_only(struct ft_options *options,
                                    int yes);

// With `yes` 0 a missing database is FT_STATUS_NOT_FOUND instead of created.
enum ft_status ft_options_create(struct ft_options *options, int yes);

// When a commit returns: one of FT_DURABILITY_*, with the milliseconds of FT_DURABILITY_INTERVAL.
enum ft_status ft_options_durability(struct ft_options *options, uint32_t durability, uint64_t milliseconds);

// How sealed files are read: one of FT_ACCESS_*.
enum ft_status ft_options_access(struct ft_options *options, uint32_t access);

// With `yes` 0 sealing and compaction happen within the commits that make them due, and indexes are built by
// `ft_collection_optimize` alone; otherwise threads of the library's own do both.
enum ft_status ft_options_background(struct ft_options *options, int yes);

// Bytes of fresh rows that a collection gathers before they become a segment: 64 MiB unless said otherwise, at least 64 KiB.
enum ft_status ft_options_seal_bytes(struct ft_options *options,
                                     uint64_t bytes);

// How many threads build a search index (all cores, unless said otherwise), and where its random choices begin (0).
enum ft_status ft_options_build(struct ft_options *options,
                                size_t threads,
                                uint64_t seed);

// How many scores of expensive scorers are remembered: 1,000,000 unless said otherwise; 0 remembers none.
enum ft_status ft_options_remembered_scores(struct ft_options *options, uint64_t most);

// The version of the library, as "0.1.0". Never freed.
const char *ft_version(void);

// Opens the database folder at `path`, and creates it when it is missing. `options` may be NULL.
//
// FT_STATUS_LOCKED when another process has it open for writing, FT_STATUS_NOT_FOUND when it is missing and may not be created,
// FT_STATUS_CORRUPT, FT_STATUS_FORMAT_TOO_NEW, FT_STATUS_IO.
enum ft_status ft_open(const char *path,
                       const struct ft_options *options,
                       struct ft_database **database);

// Ends the background work, seals what is worth it and records how far the log is durable. Afterwards the handle and others of
// the database can read on and no longer write (FT_STATUS_POISONED). The handle still has to be freed.
//
// FT_STATUS_IO, FT_STATUS_POISONED; everything acknowledged is safe all the same.
enum ft_status ft_database_close(const struct ft_database *database);

// Frees the handle; NULL is fine. The database is closed when the last of its handles is freed: this one, its collections, their
// batches, and searches in collections. Only then another process can open it for writing.
void ft_database_free(struct ft_database *database);

// Creates a collection; it is durable when this returns. The schema may be freed or used again.
//
// FT_STATUS_EXISTS, FT_STATUS_BAD_REQUEST, FT_STATUS_LIMIT_EXCEEDED, FT_STATUS_READ_ONLY.
enum ft_status ft_database_create_collection(const struct ft_database *database,
                                             const char *name,
                                             const struct ft_schema *schema,
                                             struct ft_collection **collection);

// Opens a collection. FT_STATUS_NOT_FOUND names those there are.
enum ft_status ft_database_collection(const struct ft_database *database,
                                      const char *name,
                                      struct ft_collection **collection);

// Removes a collection with all its rows; snapshots of it stay readable. FT_STATUS_NOT_FOUND, FT_STATUS_READ_ONLY.
enum ft_status ft_database_drop_collection(const struct ft_database *database,
                                           const char *name);

// The names of its collections, sorted, as a JSON array of strings.
enum ft_status ft_database_collections(const struct ft_database *database, char **json);

// What it holds and what it takes on disk, as a JSON object: `collections` is an array of objects with `name`, `rows`, `dim`,
// `metric`, `segments`, `bytes_live`, `bytes_dead` and more.
enum ft_status ft_database_stats(const struct ft_database *database,
                                 char **json);

// Makes segments of all fresh rows, now. FT_STATUS_READ_ONLY, FT_STATUS_IO.
enum ft_status ft_database_flush(const struct ft_database *database);

// Makes as few segments as possible of every collection and gives the space of deleted rows back. `progress` may be NULL; it may
// read, but a commit from within it could wait for this very call.
//
// FT_STATUS_CANCELLED when `progress` gave 0: what was done stays done.
enum ft_status ft_database_compact(const struct ft_database *database,
                                   ft_progress_fn progress,
                                   void *data);

// In a database opened to be read, shows what the writer has committed since. Does nothing for a writer.
enum ft_status ft_database_refresh(const struct ft_database *database);

// Forgets what a version of a scorer said of rows; with NULL, what all of them said.
enum ft_status ft_database_forget_scores(const struct ft_database *database, const char *version);

// Verifies every byte of the database at `path` without changing anything; a writer may have it open.
//
// Gives a JSON object: `sound` is true when nothing is damaged, `damage` an array of objects with `file`, `offset` and `why`,
// `notes` what else is worth knowing; `generation`, `segments`, `rows`, `log_batches` and `bytes` say what was verified. Damage
// is no error. FT_STATUS_NOT_FOUND; FT_STATUS_CANCELLED when `progress`, which may be NULL, gave 0.
enum ft_status ft_check(const char *path,
                        ft_progress_fn progress,
                        void *data,
                        char **json);

// Repairs the database at `path`, which nobody may have open: saves what is whole, and keeps the damaged originals.
//
// Gives a JSON object: `rows_saved`, `rows_lost` (ids, or places where no id reads), `actions` (what was done, in order; nothing
// when nothing was damaged) and `quarantine`, the folder of the originals, or null. FT_STATUS_LOCKED, FT_STATUS_NOT_FOUND,
// FT_STATUS_CORRUPT when there is nothing to begin with.
enum ft_status ft_repair(const char *path,
                         char **json);

// A new schema: vectors of `dim` 32-bit floats compared by one of FT_METRIC_*.
enum ft_status ft_schema_new(size_t dim, uint32_t metric, struct ft_schema **schema);

// Frees a schema. NULL is fine.
void ft_schema_free(struct ft_schema *schema);

// The nested lengths at which vectors may be searched, stored and cut, ascending; the dimension is added when it is missing.
enum ft_status ft_schema_levels(struct ft_schema *schema,
                                const size_t *levels,
                                size_t count);

// How numbers are stored: one of FT_ELEMENT_*.
enum ft_status ft_schema_element(struct ft_schema *schema, uint32_t element);

// The variance beside each vector: one of FT_VARIANCE_*.
enum ft_status ft_schema_variance(struct ft_schema *schema, uint32_t variance);

// A typed column, one of FT_COLUMN_*, over the documents' values at `path`: filters on it are fast and checked.
enum ft_status ft_schema_column(struct ft_schema *schema,
                                const char *path,
                                uint32_t kind);

// A full-text field over the documents' texts at `path`. Words are cut down to their stems by a `language`, as "english", or not
// when it is NULL; with `accents` not 0 the accents of Latin and Greek letters count.
enum ft_status ft_schema_text(struct ft_schema *schema,
                              const char *path,
                              const char *language,
                              int accents);

// The index that segments have: `ft_index` says which. NULL is FT_INDEX_AUTO.
enum ft_status ft_schema_index(struct ft_schema *schema, const struct ft_index *index);

// What the codes of an index are made of: one of FT_ROTATION_*.
enum ft_status ft_schema_rotation(struct ft_schema *schema, uint32_t rotation);

// Rows may have matrices of tokens, each of `dim` numbers stored as one of FT_ELEMENT_*, for late interaction.
enum ft_status ft_schema_tokens(struct ft_schema *schema,
                                size_t dim,
                                uint32_t element);

// What the vectors are made by, as "model@version": queries may say the same.
enum ft_status ft_schema_space(struct ft_schema *schema, const char *space);

// What is done to a model's own output of `output` numbers before it is cut to the dimension, by its name, as "layer_norm".
enum ft_status ft_schema_recipe(struct ft_schema *schema,
                                const char *recipe,
                                size_t output);

// A further vector that rows may have, of its own dimension, metric, element type and index. The field's schema may be freed.
enum ft_status ft_schema_field(struct ft_schema *schema,
                               const char *name,
                               const struct ft_schema *field);

// Frees the handle; NULL is fine. The rows stay.
void ft_collection_free(struct ft_collection *collection);

// How many rows it has now.
enum ft_status ft_collection_count(const struct ft_collection *collection, uint64_t *rows);

// Its dimension.
enum ft_status ft_collection_dim(const struct ft_collection *collection, size_t *dim);

// Whether there is a row with this id: 1 or 0.
enum ft_status ft_collection_contains(const struct ft_collection *collection, struct ft_id id, int *found);

// The row with this id. FT_STATUS_NOT_FOUND when there is none.
enum ft_status ft_collection_get(const struct ft_collection *collection,
                                 struct ft_id id,
                                 struct ft_record **record);

// A consistent view of it as it is now.
enum ft_status ft_collection_snapshot(const struct ft_collection *collection, struct ft_snapshot **snapshot);

// The position that a committed batch left under `name` by `ft_batch_mark`. FT_STATUS_NOT_FOUND when there is none.
enum ft_status ft_collection_mark(const struct ft_collection *collection,
                                  const char *name,
                                  uint64_t *position);

// Makes a segment of its fresh rows, now. FT_STATUS_READ_ONLY, FT_STATUS_IO.
enum ft_status ft_collection_flush(const struct ft_collection *collection);

// Makes as few segments as possible of it and gives the space of deleted rows back. `progress` may be NULL; it may read, but a
// commit from within it could wait for this very call. FT_STATUS_CANCELLED when it gave 0: what was done stays done.
enum ft_status ft_collection_compact(const struct ft_collection *collection,
                                     ft_progress_fn progress,
                                     void *data);

// Makes its searches fast, now: as few segments as possible, each with the index that `index` says (NULL: FT_INDEX_AUTO), which
// also takes the place of the schema's. Commits and searches go on meanwhile. `progress` may be NULL.
//
// FT_STATUS_CANCELLED when `progress` gave 0: what was done stays done. FT_STATUS_BAD_REQUEST, FT_STATUS_READ_ONLY, FT_STATUS_IO.
enum ft_status ft_collection_optimize(const struct ft_collection *collection,
                                      const struct ft_index *index,
                                      ft_progress_fn progress,
                                      void *data);

// Declares one more full-text field, as `ft_schema_text` does for a new collection.
enum ft_status ft_collection_add_text(const struct ft_collection *collection,
                                      const char *path,
                                      const char *language,
                                      int accents);

// Drops all dimensions beyond `dims`, the length of a level. There is no way back but writing the rows again.
enum ft_status ft_collection_truncate(const struct ft_collection *collection, size_t dims);

// Adds levels beyond the present dimension; rows that are there keep the levels they have.
enum ft_status ft_collection_extend(const struct ft_collection *collection,
                                    const size_t *levels,
                                    size_t count);

// Frees the handle; NULL is fine. What the snapshot alone kept on disk is removed by the writer's next upkeep.
void ft_snapshot_free(struct ft_snapshot *snapshot);

// How many rows it sees.
enum ft_status ft_snapshot_count(const struct ft_snapshot *snapshot, uint64_t *rows);

// The row with this id. FT_STATUS_NOT_FOUND when it sees none.
enum ft_status ft_snapshot_get(const struct ft_snapshot *snapshot,
                               struct ft_id id,
                               struct ft_record **record);

// A new batch for a collection: the way to write. It has no effect before `ft_batch_commit`.
enum ft_status ft_batch_new(const struct ft_collection *collection, struct ft_batch **batch);

// Frees a batch; NULL is fine. What was not committed is gone.
void ft_batch_free(struct ft_batch *batch);

// Adds a row, or replaces the one with this id. `payload` is a JSON object, or NULL. The vector has as many numbers as one of the
// collection's levels; that and what else is wrong with it is said by `ft_batch_commit`.
enum ft_status ft_batch_upsert(struct ft_batch *batch,
                               struct ft_id id,
                               const float *vector,
                               size_t dim,
                               const char *payload);

// Adds a row with all that it may have.
enum ft_status ft_batch_upsert_row(struct ft_batch *batch, const struct ft_row *row);

// Adds `rows` rows with integer ids: `vectors` has them one after the other, each of `dim` numbers.
enum ft_status ft_batch_upsert_ints(struct ft_batch *batch,
                                    const int64_t *ids,
                                    const float *vectors,
                                    size_t rows,
                                    size_t dim);

// Removes the row with this id, if there is one.
enum ft_status ft_batch_delete(struct ft_batch *batch, struct ft_id id);

// Keeps a named position with the batch, atomically: `ft_collection_mark` gives it back, also after a crash. UINT64_MAX removes
// the name.
enum ft_status ft_batch_mark(struct ft_batch *batch,
                             const char *name,
                             uint64_t position);

// Operations so far.
enum ft_status ft_batch_len(const struct ft_batch *batch, size_t *len);

// Writes the batch: when this gives FT_STATUS_OK, all of it is as durable as `ft_options_durability` said. After an error none of
// it is visible. Either way the batch is then empty, and may be filled again.
//
// When an earlier call for this batch failed, nothing is written and its error comes again. Otherwise
// FT_STATUS_DIMENSION_MISMATCH, FT_STATUS_NON_FINITE, FT_STATUS_ZERO_VECTOR, FT_STATUS_BAD_VARIANCE, FT_STATUS_BAD_TOKENS,
// FT_STATUS_BAD_PAYLOAD, FT_STATUS_DUPLICATE_ID and FT_STATUS_LIMIT_EXCEEDED, which name the row; FT_STATUS_READ_ONLY;
// FT_STATUS_POISONED after an earlier failed write; FT_STATUS_IO.
enum ft_status ft_batch_commit(struct ft_batch *batch);

// Frees a record, and what was read of it. NULL is fine.
void ft_record_free(struct ft_record *record);

// What the row has.
enum ft_status ft_record_read(const struct ft_record *record, struct ft_record_view *view);

// The row's vector in a further field, valid until the record is freed. FT_STATUS_NOT_FOUND when it has none there.
enum ft_status ft_record_field(const struct ft_record *record,
                               const char *name,
                               const float **vector,
                               size_t *dim);

// Begins to go through all rows that a snapshot sees, in the order of storage. The snapshot may be freed.
enum ft_status ft_scan_new(const struct ft_snapshot *snapshot, struct ft_scan **scan);

// Frees it; NULL is fine. Records that it gave stay.
void ft_scan_free(struct ft_scan *scan);

// The next row, which is freed by `ft_record_free`; NULL with FT_STATUS_OK at the end. FT_STATUS_CORRUPT when a row's bytes are
// damaged; the next call goes on behind it.
enum ft_status ft_scan_next(struct ft_scan *scan,
                            struct ft_record **record);

// What is in the file: only as much of it is read as that needs. FT_STATUS_IMPORT names the file and what is wrong with it.
enum ft_status ft_import_look(const struct ft_import *import,
                              struct ft_file_shape *shape);

// Writes the rows of a file into a collection, batch by batch, and seals them: all is durable when this returns. Of rows with one id
// the last one stays.
//
// `progress` is told after every commit (FT_DOING_IMPORT), and may be NULL; when it gives 0 this is FT_STATUS_CANCELLED, and what was
// committed stays. After that, and after any other interruption, the same call goes on where it was: every row is in once.
// `imported` may be NULL.
//
// FT_STATUS_IMPORT for what is wrong with the file, after the whole rows before it were committed; what `ft_batch_commit` gives for
// what is wrong with a row, whose number is then that in the file; FT_STATUS_READ_ONLY, FT_STATUS_IO.
enum ft_status ft_collection_import(const struct ft_collection *collection,
                                    const struct ft_import *import,
                                    ft_progress_fn progress,
                                    void *data,
                                    struct ft_imported *imported);

// The same into the collection of that name, which is created when it is missing: by `schema`, or, when that is NULL, for vectors as
// long as the file's, with the metric that the file asks for, or the cosine. `schema` is not looked at when the collection is there.
//
// A file that cannot be opened, or has no rows at all (FT_STATUS_IMPORT), leaves no collection behind; nor does one whose vectors are
// of another length than the schema's levels (FT_STATUS_DIMENSION_MISMATCH).
enum ft_status ft_database_import(const struct ft_database *database,
                                  const char *name,
                                  const struct ft_import *import,
                                  const struct ft_schema *schema,
                                  ft_progress_fn progress,
                                  void *data,
                                  struct ft_imported *imported);

// A search in a collection: each time it is asked, in the rows that there are then. It keeps the database open.
enum ft_status ft_search_new(const struct ft_collection *collection,
                             struct ft_search **search);

// A search in a snapshot, which may be freed.
enum ft_status ft_search_new_in(const struct ft_snapshot *snapshot, struct ft_search **search);

// Frees a search. NULL is fine. Answers it began go on.
void ft_search_free(struct ft_search *search);

// How many hits are wanted: 10 unless said otherwise, at most 100,000.
enum ft_status ft_search_k(struct ft_search *search, size_t k);

// Only rows that pass a filter, as "lang = 'en' AND year >= 2020". NULL is none. FT_STATUS_BAD_FILTER says at which byte.
enum ft_status ft_search_filter(struct ft_search *search,
                                const char *filter);

// Compares only the first `dims` dimensions: any number of them from the first of the collection's levels on. 0 is all.
enum ft_status ft_search_dims(struct ft_search *search,
                              size_t dims);

// How many candidates a graph's search keeps: more find more of the true nearest and take longer. 0 leaves it to the library.
enum ft_status ft_search_ef(struct ft_search *search,
                            size_t ef);

// How many cells of an inverted file are looked into. 0 leaves it to the library.
enum ft_status ft_search_nprobe(struct ft_search *search, size_t nprobe);

// With `yes` not 0 every row that passes is compared, whatever indexes there are: the answer is the true one.
enum ft_status ft_search_exact(struct ft_search *search, int yes);

// Searches until the expected recall is at least this, above 0 and at most 1.
enum ft_status ft_search_target_recall(struct ft_search *search, double recall);

// Ends the search when so many microseconds have passed since it was begun, with the best hits by then; that is no error.
enum ft_status ft_search_deadline_us(struct ft_search *search,
                                     uint64_t microseconds);

// Ends the search when so many nodes of indexes and rows were compared, with the best hits by then; that is no error.
enum ft_status ft_search_budget(struct ft_search *search,
                                uint64_t compared);

// Only rows whose uncertainty, the sum of their variances over the dimensions that are compared, is at most this.
enum ft_status ft_search_max_uncertainty(struct ft_search *search,
                                         float limit);

// How uncertain the query itself is: one number, or one for each dimension, of one of FT_SPREAD_*.
enum ft_status ft_search_query_variance(struct ft_search *search,
                                        const float *variance,
                                        size_t len,
                                        uint32_t kind);

// Searches the vectors of a further field. NULL is the collection's own.
enum ft_status ft_search_field(struct ft_search *search, const char *field);

// Says of which space queries are, as "model@version". NULL is the collection's own.
enum ft_status ft_search_space(struct ft_search *search, const char *space);

// Has a canceller end `ft_search_run`, `ft_search_into` and `ft_search_batch`, which then give FT_STATUS_CANCELLED. NULL is none.
// Answers have cancellers of their own: `ft_answer_canceller`.
enum ft_status ft_search_canceller(struct ft_search *search,
                                   const struct ft_canceller *canceller);

// A new canceller.
enum ft_status ft_canceller_new(struct ft_canceller **canceller);

// Ends what it is of, from any thread, for good.
enum ft_status ft_canceller_cancel(const struct ft_canceller *canceller);

// Frees a canceller without cancelling. NULL is fine.
void ft_canceller_free(struct ft_canceller *canceller);

// A fusion of so far the search's own list alone, by one of FT_FUSION_* with its parameter; 0 for those that have none.
enum ft_status ft_fuse_new(uint32_t fusion,
                           double parameter,
                           struct ft_fuse **fuse);

// Frees a fusion. NULL is fine. Stages made of it stay.
void ft_fuse_free(struct ft_fuse *fuse);

// How much the search's own list counts: 1 unless said otherwise; finite and not negative.
enum ft_status ft_fuse_weight(struct ft_fuse *fuse, double weight);

// One more list: the rows nearest to another query vector of `dim` numbers, which are copied.
enum ft_status ft_fuse_vector(struct ft_fuse *fuse, const float *vector, size_t dim, double weight);

// One more list: the rows whose vectors in a further field are nearest to `vector`, of `dim` numbers, which are copied.
enum ft_status ft_fuse_field(struct ft_fuse *fuse,
                             const char *field,
                             const float *vector,
                             size_t dim,
                             double weight);

// One more list: the best rows by BM25 of the words in a full-text field.
enum ft_status ft_fuse_text(struct ft_fuse *fuse, const char *field, const char *words, double weight);

// How many rows of each list count: 100 unless said otherwise, and at least as many as are wanted.
enum ft_status ft_fuse_depth(struct ft_fuse *fuse, size_t rows);

// Only rows that at least so many of the lists have. There may then be fewer hits than are wanted.
enum ft_status ft_fuse_min_votes(struct ft_fuse *fuse, size_t lists);

// Frees a stage. NULL is fine. Searches and answers that have it keep it.
void ft_rerank_free(struct ft_rerank *rerank);

// One more stage behind those that the search has; the handle may be freed. A stage that could not be made is NULL, which makes the
// search fail. Whether it can be with the collection is said when the search is asked: FT_STATUS_BAD_REQUEST.
enum ft_status ft_search_rerank(struct ft_search *search,
                                const struct ft_rerank *rerank);

// One more stage behind all others of an answer, at any time, also at its end: the list found so far is refined by it, and further
// revisions come. The handle may be freed.
//
// FT_STATUS_BAD_REQUEST when it cannot be with the collection, and for a schedule of levels, which begins with the search itself.
enum ft_status ft_answer_rerank(struct ft_answer *answer,
                                const struct ft_rerank *rerank);

// A schedule of levels, as the first stage: the search compares the first `dims[0]` numbers and keeps `keep[0]` rows, each further
// step compares these by more numbers and keeps fewer.
enum ft_status ft_rerank_levels(const size_t *dims,
                                const size_t *keep,
                                size_t count,
                                struct ft_rerank **rerank);

// The cheapest schedule of levels that finds this part, above 0 and at most 1, of the nearest rows.
enum ft_status ft_rerank_levels_auto(double recall, struct ft_rerank **rerank);

// Ranks by the squared distance and `weight` times the row's total variance (the distance of PCME++); 1 is the published weight.
enum ft_status ft_rerank_csd(double weight,
                             struct ft_rerank **rerank);

// Ranks by another distance between normal distributions: one of FT_MEASURE_*.
enum ft_status ft_rerank_gaussian(uint32_t measure, struct ft_rerank **rerank);

// Orders by nearness and by difference from what stands before (maximal marginal relevance): with `lambda` 1 the order stays, with
// 0 only difference counts. It chooses from the `among` best rows; 0 is four times as many as are wanted.
enum ft_status ft_rerank_mmr(double lambda,
                             size_t among,
                             struct ft_rerank **rerank);

// Orders the `among` nearest rows (0 is 100) by late interaction with a query of tokens: `len` numbers, token after token.
enum ft_status ft_rerank_maxsim(const float *tokens,
                                size_t len,
                                size_t among,
                                struct ft_rerank **rerank);

// Orders the `among` nearest rows (0 is as many as are wanted) by their uncertainty alone, the surest first.
enum ft_status ft_rerank_uncertainty(size_t among, struct ft_rerank **rerank);

// Reranks by an expensive scorer, on a budget of ids scored: a cross-encoder, a language model, anything that scores ids.
enum ft_status ft_rerank_scorer(const struct ft_scorer *scorer,
                                struct ft_rerank **rerank);

// Fuses the search's list with others: those that `fuse` has, which may be freed.
enum ft_status ft_rerank_fuse(const struct ft_fuse *fuse, struct ft_rerank **rerank);

// The rows nearest to `query`, as a handle that has all there is to say of them.
//
// FT_STATUS_DIMENSION_MISMATCH, FT_STATUS_NON_FINITE, FT_STATUS_ZERO_VECTOR for the query; FT_STATUS_BAD_FILTER,
// FT_STATUS_BAD_REQUEST, FT_STATUS_LIMIT_EXCEEDED, FT_STATUS_CORRUPT, FT_STATUS_CANCELLED. Fewer hits than were wanted are no error.
enum ft_status ft_search_run(const struct ft_search *search,
                             const float *query,
                             size_t dim,
                             struct ft_hits **hits);

// The same into the caller's memory alone: `hits` has room for `capacity` hits, at least as many as are wanted; `count` is set to
// how many there are. The texts of their ids are put into `text`, each ended by a NUL byte, and the hits point there; it may be
// NULL with 0 bytes when ids are integers. A text takes at most 1,025 bytes. FT_STATUS_TOO_SMALL when something has no room.
enum ft_status ft_search_into(const struct ft_search *search,
                              const float *query,
                              size_t dim,
                              struct ft_hit *hits,
                              size_t capacity,
                              size_t *count,
                              char *text,
                              size_t text_capacity);

// Many queries at once, on `threads` threads (0: as many as there are cores): `queries` has them one after the other, each of `dim`
// numbers. The hits of query i begin at `hits[i * k]`, where k is what `ft_search_k` said, and `counts[i]` is how many there are;
// `capacity` is at least queries times k. `text` is as for `ft_search_into`. All queries see the same rows.
enum ft_status ft_search_batch(const struct ft_search *search,
                               const float *queries,
                               size_t rows,
                               size_t dim,
                               size_t threads,
                               struct ft_hit *hits,
                               size_t capacity,
                               size_t *counts,
                               char *text,
                               size_t text_capacity);

// Begins a search as a live answer: it comes revision by revision, each the best list so far, and only as far as it is read.
enum ft_status ft_search_start(const struct ft_search *search,
                               const float *query,
                               size_t dim,
                               struct ft_answer **answer);

// The at most `k` best rows by the words of `words` in a full-text field, ranked by BM25, among those that pass `filter`, which may
// be NULL.
enum ft_status ft_collection_search_text(const struct ft_collection *collection,
                                         const char *field,
                                         const char *words,
                                         size_t k,
                                         const char *filter,
                                         struct ft_hits **hits);

// Frees hits, and the ids that were read of them. NULL is fine.
void ft_hits_free(struct ft_hits *hits);

// How many there are; 0 for NULL.
size_t ft_hits_len(const struct ft_hits *hits);

// The hit at `place`, from 0. The text of its id is valid until the hits are freed.
enum ft_status ft_hits_get(const struct ft_hits *hits, size_t place, struct ft_hit *hit);

// All hits at once, into room for `capacity` of them. FT_STATUS_TOO_SMALL when there are more; `ft_hits_len` says how many.
enum ft_status ft_hits_read(const struct ft_hits *hits,
                            struct ft_hit *room,
                            size_t capacity);

// The document of the hit at `place` as JSON, read now; NULL when it has none. It is freed by `ft_string_free`.
enum ft_status ft_hits_payload(const struct ft_hits *hits,
                               size_t place,
                               char **json);

// What is to be said of the list: settled, recall, stage, cost.
enum ft_status ft_hits_read_info(const struct ft_hits *hits, struct ft_hits_info *info);

// The places whose hit is another than in the revision before, valid until the hits are freed.
enum ft_status ft_hits_changed(const struct ft_hits *hits, const size_t **places, size_t *count);

// What went wrong in a stage without making the search fail; NULL when nothing did. It is valid until the hits are freed.
const char *ft_hits_problem(const struct ft_hits *hits);

// Frees an answer; NULL is fine. All its work ends.
void ft_answer_free(struct ft_answer *answer);

// Goes on until the list has changed, and gives it: the best hits so far, with what is settled of them. After the last revision,
// the one whose `stopped` says why, it is FT_STATUS_OK and `revision` is NULL. Each revision is freed by `ft_hits_free`.
enum ft_status ft_answer_next(struct ft_answer *answer,
                              struct ft_hits **revision);

// The hits beyond those given so far: as many as were wanted, with none when there are no more. An answer that is not at its end is
// brought there first.
enum ft_status ft_answer_page(struct ft_answer *answer,
                              struct ft_hits **page);

// Goes on with another query: the same filter, effort and stages, from the beginning. What was spent stays counted.
enum ft_status ft_answer_requery(struct ft_answer *answer,
                                 const float *query,
                                 size_t dim);

// Something that cancels it from any thread: the next revision is then the last, with what was found by then.
enum ft_status ft_answer_canceller(const struct ft_answer *answer, struct ft_canceller **canceller);

// How the search went through each part of the collection, and why: a JSON object.
//
// `parts` has each segment, then each block of fresh rows: `rows`, `dead` (deleted ones among them), `matching` (at least and at most
// so many pass the filter and are sure enough, or null where neither is asked for), `way` ("scan", "matches", "codes" or
// "index"), with an index `ef` (candidates that a graph keeps) and `cells` (of an inverted file; 0 for a graph), `costs_ns` (what
// `scan`, `matches` and `index` were thought to cost, in nanoseconds; null where it was not possible), `fell_back` (whether the index
// found too few, so that the matches were read after all), and `text`, all of it in words. `schedule` has the steps of a schedule
// of levels, given or chosen: `dims`, and `keep`, the rows kept; it is empty without one.
//
// Of a full-text search, `words` has the different words as they are compared, `times` in the query and in how many `rows`, and `parts`
// has of each part `rows`, `dead`, `way` ("index", "documents", all of them read, or "fresh", words in memory), `scored`, `refused` and
// `text`.
//
// FT_STATUS_BAD_REQUEST for a revision of an answer: `ft_answer_explain` says it of the answer. The text is freed by `ft_string_free`.
enum ft_status ft_hits_explain(const struct ft_hits *hits,
                               char **json);

// The same of an answer on its way, as far as it was decided by now.
enum ft_status ft_answer_explain(const struct ft_answer *answer, char **json);

// The space that its vectors are of, as "model@version"; NULL when it says none. It is freed by `ft_string_free`.
enum ft_status ft_collection_space(const struct ft_collection *collection,
                                   char **space);

// Says which space its vectors are of, as "model@version", when it was created without one; durably.
//
// FT_STATUS_EXISTS when it says another one; FT_STATUS_BAD_REQUEST, FT_STATUS_LIMIT_EXCEEDED, FT_STATUS_READ_ONLY, FT_STATUS_IO.
enum ft_status ft_collection_set_space(const struct ft_collection *collection,
                                       const char *space);

// Says that the first `dims` numbers of queries of another space are what the rows' first `dims` numbers are: those of a model trained
// to be compatible, or with more dimensions. Durable, and in place of the rule there was for that space; `ft_search_space` asks by it.
//
// FT_STATUS_BAD_REQUEST when the collection says no space, or the same one, or `dims` is not as long as a level;
// FT_STATUS_LIMIT_EXCEEDED, FT_STATUS_READ_ONLY, FT_STATUS_IO.
enum ft_status ft_collection_set_rule_prefix(const struct ft_collection *collection,
                                             const char *space,
                                             size_t dims);

// Says that queries of another space are mapped by an adapter, which may be freed. Its report must say that of the ten nearest rows
// at least `least_retention` are found, by the lower end of the interval: from 0 (whatever it is worth) to 1.
//
// FT_STATUS_BAD_REQUEST with the figures when it is worth less; otherwise as `ft_collection_set_rule_prefix`.
enum ft_status ft_collection_set_rule_adapter(const struct ft_collection *collection,
                                              const char *space,
                                              const struct ft_adapter *adapter,
                                              double least_retention);

// Forgets the rule for queries of that space, if there is one. FT_STATUS_READ_ONLY, FT_STATUS_IO.
enum ft_status ft_collection_remove_rule(const struct ft_collection *collection, const char *space);

// The spaces whose queries it has a rule for, as a JSON array of strings. The text is freed by `ft_string_free`.
enum ft_status ft_collection_rules(const struct ft_collection *collection,
                                   char **json);

// Fits a map for queries of a new model into the space of the old one, on `pairs` items that both have embedded: item i is row i of
// both matrices, which have `new_dim` and `old_dim` numbers a row. At least 40 items, better some thousands.
//
// `fit` may be NULL. A fifth of the items, at least 20 and at most 2,000, is held out and judges the map, which is then fitted on all
// of them; `ft_adapter_report` says what came out. `canceller`, which may be NULL, ends it from another thread: FT_STATUS_CANCELLED.
// FT_STATUS_BAD_REQUEST for too few items and numbers that are not finite.
enum ft_status ft_adapter_fit(const float *new_vectors,
                              size_t new_dim,
                              const float *old_vectors,
                              size_t old_dim,
                              size_t pairs,
                              const struct ft_fit *fit,
                              const struct ft_canceller *canceller,
                              struct ft_adapter **adapter);

// Frees a map. NULL is fine. Rules made of it stay.
void ft_adapter_free(struct ft_adapter *adapter);

// What the map is worth on the items that it was not fitted on, as a JSON object: `pairs`, `held_out`, `retention_at_1` and
// `retention_at_10` (the share of the nearest, and of the ten nearest, by the new model that are found), `old_at_10` (the same share
// for the old model without a map), each with `mean`, `low` and `high` (95 % confidence), `cosine` (the mean cosine of mapped and true
// vectors), `ridge` (null for methods that have none), `refitted`. The text is freed by `ft_string_free`.
enum ft_status ft_adapter_report(const struct ft_adapter *adapter,
                                 char **json);

// Maps a vector of the new model, of `dim` numbers, into `mapped`, which has room for `capacity`; it takes as many as the old model
// has dimensions. FT_STATUS_DIMENSION_MISMATCH, FT_STATUS_TOO_SMALL.
enum ft_status ft_adapter_apply(const struct ft_adapter *adapter,
                                const float *vector,
                                size_t dim,
                                float *mapped,
                                size_t capacity);

// Begins to change the model that a collection's vectors are by: makes room for its rows in the space of `schema`, which says the
// dimension, levels, metric, element type, variance and index there; columns, full text and token matrices are the collection's. The
// schema may be freed. The collection goes on as it is, and takes queries of either space, by `ft_search_space`.
//
// FT_STATUS_BAD_REQUEST when the collection or the schema says no space, or both the same one; FT_STATUS_EXISTS when a change is on
// its way; FT_STATUS_LIMIT_EXCEEDED, FT_STATUS_READ_ONLY, FT_STATUS_IO.
enum ft_status ft_collection_begin_change(const struct ft_collection *collection,
                                          const struct ft_schema *schema,
                                          struct ft_change **change);

// The change that is on its way, or that was made and can be taken back. FT_STATUS_NOT_FOUND when there is none.
enum ft_status ft_collection_change(const struct ft_collection *collection,
                                    struct ft_change **change);

// Frees the handle; NULL is fine. The change goes on.
void ft_change_free(struct ft_change *change);

// The other space, as "model@version". The text is freed by `ft_string_free`.
enum ft_status ft_change_space(const struct ft_change *change, char **space);

// Sets `flipped` to 1 when it was flipped: the other space is then the one that the collection had before. A flip back makes it 0.
enum ft_status ft_change_is_flipped(const struct ft_change *change,
                                    int *flipped);

// How many rows are in the other space, and how many wait to be embedded again.
enum ft_status ft_change_progress(const struct ft_change *change, uint64_t *there, uint64_t *waiting);

// The row with this id in the other space. FT_STATUS_NOT_FOUND when there is none, also while it waits.
enum ft_status ft_change_get(const struct ft_change *change, struct ft_id id, struct ft_record **record);

// The rows that wait now, in one of FT_ORDER_*. A new one, after an interruption, leaves out what is in the other space by then, and
// has rows that were written meanwhile: all is done when `ft_change_progress` says that none waits.
//
// FT_STATUS_BAD_REQUEST for an order that cannot be; FT_STATUS_CORRUPT.
enum ft_status ft_change_backfill(const struct ft_change *change,
                                  uint32_t order,
                                  struct ft_backfill **backfill);

// Frees it; NULL is fine. Rows that it gave stay.
void ft_backfill_free(struct ft_backfill *backfill);

// The next rows, at most `rows`, which are freed by `ft_pending_free`; NULL with FT_STATUS_OK at the end. FT_STATUS_CORRUPT when a
// row's bytes are damaged.
enum ft_status ft_backfill_next(struct ft_backfill *backfill,
                                size_t rows,
                                struct ft_pending **pending);

// Those of the rows with these ids that wait, in the order of the ids, as they are now: for vectors that come in an order of their own,
// as out of a file. Rows that do not wait are left out, so that there may be fewer, or none. FT_STATUS_CORRUPT when a row's bytes are
// damaged.
enum ft_status ft_change_pending(const struct ft_change *change,
                                 const struct ft_id *ids,
                                 size_t count,
                                 struct ft_pending **pending);

// Frees rows, and what was read of them. NULL is fine.
void ft_pending_free(struct ft_pending *pending);

// How many there are; 0 for NULL.
size_t ft_pending_len(const struct ft_pending *pending);

// The row at `place`, from 0, as it is in the collection: its document is what is to be embedded. All pointers are valid until the
// rows are freed.
enum ft_status ft_pending_read(const struct ft_pending *pending,
                               size_t place,
                               struct ft_record_view *view);

// Writes the vectors of all rows of `pending` in the other space, in one atomic commit: `vectors` has them in the rows' order, each of
// `dim` numbers. Where the other space keeps variances, `variances` has `variance_dim` numbers a row (1 or `dim`) of one of
// FT_SPREAD_*; otherwise it is NULL with 0. Rows that were written or deleted since they were read are left out, and wait anew.
// `written`, which may be NULL, is set to how many were written.
//
// The statuses of `ft_batch_commit`, where the row named is the place in `pending`; FT_STATUS_NOT_FOUND when the change was flipped
// or finished.
enum ft_status ft_change_write(const struct ft_change *change,
                               const struct ft_pending *pending,
                               const float *vectors,
                               size_t dim,
                               const float *variances,
                               size_t variance_dim,
                               uint32_t variance_kind,
                               uint64_t *written);

// Makes the other space the collection's, and the present one the other: durably, at once, and only when no row waits. Gives the
// collection; handles to it from before can no longer write, and show what was there. The handle of the change still has to be freed.
//
// The way back is the same, by `ft_collection_change` of the collection that is given: rows written after this wait there.
// FT_STATUS_BAD_REQUEST when rows wait; FT_STATUS_NOT_FOUND when it was flipped or finished before; FT_STATUS_READ_ONLY,
// FT_STATUS_IO.
enum ft_status ft_change_flip(const struct ft_change *change,
                              struct ft_collection **collection);

// Ends the change: the rows in the other space are removed. Before `ft_change_flip` that gives the change up; after it there is no way
// back. FT_STATUS_NOT_FOUND when it was flipped or finished before; FT_STATUS_READ_ONLY, FT_STATUS_IO.
enum ft_status ft_change_finish(const struct ft_change *change);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FORETASTE_H */
