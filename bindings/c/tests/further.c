/* Imports, all rows, fused lists, explanations, answers refined on their way, cancelling from another thread, the change of a model.
   Prints the line of the first expectation that is not met. */
#include "expect.h"
#include <math.h>
#include <pthread.h>

enum { DIM = 2, ROWS = 40, FILE_ROWS = 500 };

static ft_schema *plain(size_t dim, uint32_t metric) {
    ft_schema *schema;
    OK(ft_schema_new(dim, metric, &schema));
    return schema;
}

static uint64_t count(const ft_collection *collection) {
    uint64_t rows;
    OK(ft_collection_count(collection, &rows));
    return rows;
}

static ft_id first(const ft_hits *hits) {
    ft_hit hit;
    OK(ft_hits_get(hits, 0, &hit));
    return hit.id;
}

/* ---- imports ---- */

static void write_file(const char *path, const void *bytes, size_t len) {
    FILE *file = fopen(path, "wb");
    EXPECT(file != NULL);
    EXPECT(fwrite(bytes, 1, len, file) == len);
    EXPECT(fclose(file) == 0);
}

static void write_fvecs(const char *path) {
    FILE *file = fopen(path, "wb");
    int i;
    EXPECT(file != NULL);
    for (i = 0; i < FILE_ROWS; i++) {
        int32_t dim = 3;
        float vector[3] = {0, 1.0f, 0};
        vector[0] = (float)i;
        EXPECT(fwrite(&dim, sizeof dim, 1, file) == 1 && fwrite(vector, sizeof vector, 1, file) == 1);
    }
    EXPECT(fclose(file) == 0);
}

struct importing {
    int calls, until;
    uint64_t rows;
};

static int importing(void *data, const ft_progress *now) {
    struct importing *importing = data;
    EXPECT(now->doing == FT_DOING_IMPORT && now->part > 0.0 && now->part <= 1.0 && now->done > importing->rows);
    importing->rows = now->done;
    return ++importing->calls != importing->until;
}

static void imports(ft_database *db, const char *path) {
    static const char texts[] = "{\"key\": \"a\", \"emb\": [1, 0, 0], \"year\": 2001}\n{\"key\": \"b\", \"emb\": [0, 2, 0]}\n";
    static const char broken[] = "{\"id\": 1, \"vector\": [1, 0]}\n{\"id\": 2, \"vec";
    char name[1024];
    struct importing far = {0, 2, 0};
    ft_collection *collection;
    ft_schema *schema;
    ft_record *record;
    SIZED(ft_import, import);
    SIZED(ft_file_shape, shape);
    SIZED(ft_imported, imported);
    SIZED(ft_record_view, view);

    snprintf(name, sizeof name, "%s.fvecs", path);
    write_fvecs(name);
    import.path = name;
    import.batch_rows = 100;
    OK(ft_import_look(&import, &shape));
    EXPECT(shape.dim == 3 && shape.rows == FILE_ROWS && shape.metric == 0);
    schema = plain(4, FT_METRIC_L2);
    FAILS(FT_STATUS_DIMENSION_MISMATCH, ft_database_import(db, "base", &import, schema, NULL, NULL, NULL));
    FAILS(FT_STATUS_NOT_FOUND, ft_database_collection(db, "base", &collection));
    ft_schema_free(schema);
    schema = plain(3, FT_METRIC_L2);
    /* Cancelled after two batches; the same call goes on, and every row is in once. */
    FAILS(FT_STATUS_CANCELLED, ft_database_import(db, "base", &import, schema, importing, &far, NULL));
    OK(ft_database_collection(db, "base", &collection));
    EXPECT(far.calls == 2 && far.rows == 200 && count(collection) == 200);
    memset(&far, 0, sizeof far);
    OK(ft_database_import(db, "base", &import, schema, importing, &far, &imported));
    EXPECT(imported.rows == 300 && imported.rows_before == 200 && imported.batches == 3 && imported.bytes > 0);
    EXPECT(far.rows == FILE_ROWS && count(collection) == FILE_ROWS);
    ft_schema_free(schema);
    OK(ft_collection_get(collection, ft_id_int(FILE_ROWS - 1), &record));
    OK(ft_record_read(record, &view));
    EXPECT(view.dim == 3 && view.vector[0] == (float)(FILE_ROWS - 1));
    ft_record_free(record);
    import.limit = 7;
    OK(ft_collection_import(collection, &import, NULL, NULL, &imported));
    EXPECT(imported.rows == 7 && imported.rows_before == 0 && count(collection) == FILE_ROWS);
    import.limit = 0;
    import.format = "tar";
    FAILS(BAD, ft_collection_import(collection, &import, NULL, NULL, NULL));
    SAYS("parquet");
    import.format = "npy";
    FAILS(FT_STATUS_IMPORT, ft_collection_import(collection, &import, NULL, NULL, NULL));
    import.format = NULL;
    imported.size = 1;
    FAILS(BAD, ft_collection_import(collection, &import, NULL, NULL, &imported));
    SAYS("sizeof");
    FAILS(BAD, ft_collection_import(collection, NULL, NULL, NULL, NULL));
    FAILS(BAD, ft_import_look(&import, NULL));
    ft_collection_free(collection);

    /* Named fields, and a collection made after the file. */
    snprintf(name, sizeof name, "%s.jsonl", path);
    write_file(name, texts, sizeof texts - 1);
    import.id = "key";
    import.vector = "emb";
    OK(ft_import_look(&import, &shape));
    EXPECT(shape.dim == 3 && shape.rows == UINT64_MAX);
    OK(ft_database_import(db, "texts", &import, NULL, NULL, NULL, NULL));
    OK(ft_database_collection(db, "texts", &collection));
    EXPECT(count(collection) == 2);
    OK(ft_collection_get(collection, ft_id_text("a"), &record));
    OK(ft_record_read(record, &view));
    EXPECT(view.dim == 3 && strstr(view.payload, "2001") != NULL);
    ft_record_free(record);
    ft_collection_free(collection);
    import.vector = "nothing";
    FAILS(FT_STATUS_IMPORT, ft_database_import(db, "none", &import, NULL, NULL, NULL, NULL));
    SAYS("emb");
    import.id = import.vector = NULL;
    import.path = "nowhere.npy";
    EXPECT(ft_database_import(db, "none", &import, NULL, NULL, NULL, NULL) != FT_STATUS_OK);
    SAYS("nowhere.npy");
    FAILS(FT_STATUS_NOT_FOUND, ft_database_collection(db, "none", &collection));
    /* The whole rows before a damaged one are in. */
    import.path = name;
    write_file(name, broken, sizeof broken - 1);
    FAILS(FT_STATUS_IMPORT, ft_database_import(db, "broken", &import, NULL, NULL, NULL, NULL));
    OK(ft_database_collection(db, "broken", &collection));
    EXPECT(count(collection) == 1);
    ft_collection_free(collection);
}

/* ---- a collection with fields and texts ---- */

/* Row i stands at (i, 0), in the field at ROWS - 1 - i; row 7 has a fox, and rows from 30 on are surer. */
static ft_collection *create(ft_database *db) {
    ft_schema *schema = plain(DIM, FT_METRIC_L2), *field = plain(1, FT_METRIC_L2);
    static const size_t levels[] = {1, 2};
    ft_collection *docs;
    ft_batch *batch;
    int i;
    OK(ft_schema_levels(schema, levels, 2));
    OK(ft_schema_text(schema, "body", NULL, 0));
    OK(ft_schema_column(schema, "year", FT_COLUMN_INT));
    OK(ft_schema_field(schema, "back", field));
    OK(ft_database_create_collection(db, "docs", schema, &docs));
    ft_schema_free(schema);
    ft_schema_free(field);
    OK(ft_batch_new(docs, &batch));
    for (i = 0; i < ROWS; i++) {
        float vector[DIM] = {0}, back = (float)(ROWS - 1 - i);
        char payload[64];
        SIZED(ft_row, row);
        ft_field_vector own;
        memset(&own, 0, sizeof own);
        vector[0] = (float)i;
        snprintf(payload, sizeof payload, "{\"body\": \"%s\", \"year\": %d}", i == 7 ? "quick fox" : "slow dog", 2000 + i);
        own.name = "back";
        own.vector = &back;
        own.dim = 1;
        row.id = ft_id_int(i);
        row.vector = vector;
        row.dim = DIM;
        row.payload = payload;
        row.fields = &own;
        row.fields_len = 1;
        OK(ft_batch_upsert_row(batch, &row));
    }
    OK(ft_batch_commit(batch));
    ft_batch_free(batch);
    return docs;
}

/* ---- all rows ---- */

static void scanning(ft_collection *docs) {
    const float q[DIM] = {0};
    ft_snapshot *snapshot;
    ft_scan *scan;
    ft_record *record, *kept = NULL;
    ft_batch *batch;
    int64_t sum = 0;
    int rows = 0;
    SIZED(ft_record_view, view);
    OK(ft_collection_snapshot(docs, &snapshot));
    OK(ft_scan_new(snapshot, &scan));
    ft_snapshot_free(snapshot);
    /* What comes later does not show. */
    OK(ft_batch_new(docs, &batch));
    OK(ft_batch_upsert(batch, ft_id_text("late"), q, DIM, NULL));
    OK(ft_batch_delete(batch, ft_id_int(3)));
    OK(ft_batch_commit(batch));
    for (;;) {
        const float *back;
        size_t dim;
        OK(ft_scan_next(scan, &record));
        if (!record) {
            break;
        }
        OK(ft_record_read(record, &view));
        OK(ft_record_field(record, "back", &back, &dim));
        EXPECT(view.id.kind == FT_ID_INT && view.vector[0] == (float)view.id.number && view.payload != NULL);
        EXPECT(dim == 1 && back[0] + view.vector[0] == (float)(ROWS - 1));
        sum += view.id.number;
        if (++rows == 1) {
            kept = record;
        } else {
            ft_record_free(record);
        }
    }
    EXPECT(rows == ROWS && sum == ROWS * (ROWS - 1) / 2);
    OK(ft_scan_next(scan, &record));
    EXPECT(record == NULL);
    ft_scan_free(scan);
    OK(ft_record_read(kept, &view));
    EXPECT(view.payload != NULL);
    ft_record_free(kept);
    FAILS(BAD, ft_scan_new(NULL, &scan));
    EXPECT(scan == NULL);
    FAILS(BAD, ft_scan_next(NULL, &record));
    OK(ft_batch_delete(batch, ft_id_text("late")));
    OK(ft_batch_commit(batch));
    ft_batch_free(batch);
}

/* ---- fused lists ---- */

static ft_hits *fused(ft_collection *docs, ft_fuse *fuse, size_t k) {
    const float q[DIM] = {0};
    ft_search *search;
    ft_rerank *rerank;
    ft_hits *hits;
    OK(ft_rerank_fuse(fuse, &rerank));
    ft_fuse_free(fuse);
    OK(ft_search_new(docs, &search));
    OK(ft_search_k(search, k));
    refine(search, rerank);
    OK(ft_search_run(search, q, DIM, &hits));
    EXPECT(ft_hits_problem(hits) == NULL);
    ft_search_free(search);
    return hits;
}

static void fusing(ft_collection *docs) {
    const float one[DIM] = {1.0f, 0}, two[DIM] = {2.0f, 0}, back = (float)(ROWS - 1 - 30), q[DIM] = {0};
    static const uint32_t all[] = {FT_FUSION_RRF,      FT_FUSION_ZSCORE, FT_FUSION_BORDA,
                                   FT_FUSION_COPELAND, FT_FUSION_KEMENY, FT_FUSION_RUN_OFF};
    ft_search *search;
    ft_rerank *rerank;
    ft_fuse *fuse;
    ft_hits *hits;
    size_t i;
    /* 1 stands between 0 and 2, by whatever rule. */
    for (i = 0; i < sizeof all / sizeof *all; i++) {
        OK(ft_fuse_new(all[i], 0, &fuse));
        OK(ft_fuse_vector(fuse, two, DIM, 1.0));
        OK(ft_fuse_vector(fuse, one, DIM, 1.0));
        hits = fused(docs, fuse, 3);
        EXPECT(ft_hits_len(hits) == 3 && first(hits).number == 1);
        ft_hits_free(hits);
    }
    /* The heaviest list decides: by words, by a field, the search's own. */
    OK(ft_fuse_new(FT_FUSION_RRF, 10, &fuse));
    OK(ft_fuse_text(fuse, "body", "fox", 100.0));
    hits = fused(docs, fuse, 3);
    EXPECT(first(hits).number == 7);
    ft_hits_free(hits);
    OK(ft_fuse_new(FT_FUSION_RRF, 0, &fuse));
    OK(ft_fuse_field(fuse, "back", &back, 1, 100.0));
    hits = fused(docs, fuse, 3);
    EXPECT(first(hits).number == 30);
    ft_hits_free(hits);
    OK(ft_fuse_new(FT_FUSION_RRF, 0, &fuse));
    OK(ft_fuse_weight(fuse, 100.0));
    OK(ft_fuse_field(fuse, "back", &back, 1, 1.0));
    OK(ft_fuse_depth(fuse, 5));
    hits = fused(docs, fuse, 3);
    EXPECT(first(hits).number == 0);
    ft_hits_free(hits);
    /* Only what both lists have. */
    OK(ft_fuse_new(FT_FUSION_BORDA, 0, &fuse));
    OK(ft_fuse_text(fuse, "body", "fox", 1.0));
    OK(ft_fuse_min_votes(fuse, 2));
    hits = fused(docs, fuse, 3);
    EXPECT(ft_hits_len(hits) == 1 && first(hits).number == 7);
    ft_hits_free(hits);

    FAILS(BAD, ft_fuse_new(99, 0, &fuse));
    EXPECT(fuse == NULL);
    FAILS(BAD, ft_fuse_new(FT_FUSION_BORDA, 3, &fuse));
    FAILS(BAD, ft_fuse_new(FT_FUSION_RRF, NAN, &fuse));
    FAILS(BAD, ft_fuse_new(FT_FUSION_RUN_OFF, 2.5, &fuse));
    FAILS(BAD, ft_fuse_weight(NULL, 1.0));
    FAILS(BAD, ft_rerank_fuse(NULL, &rerank));
    /* What was refused once fails what uses it. */
    OK(ft_fuse_new(FT_FUSION_RUN_OFF, 5, &fuse));
    FAILS(BAD, ft_fuse_vector(fuse, NULL, DIM, 1.0));
    FAILS(BAD, ft_fuse_text(fuse, NULL, "fox", 1.0));
    FAILS(BAD, ft_rerank_fuse(fuse, &rerank));
    SAYS("vector is NULL");
    EXPECT(rerank == NULL);
    ft_fuse_free(fuse);
    /* What the collection cannot do is said when it is asked. */
    OK(ft_fuse_new(FT_FUSION_MINMAX, 0, &fuse));
    OK(ft_fuse_vector(fuse, one, DIM, 1.0));
    OK(ft_rerank_fuse(fuse, &rerank));
    ft_fuse_free(fuse);
    OK(ft_search_new(docs, &search));
    refine(search, rerank);
    FAILS(FT_STATUS_BAD_REQUEST, ft_search_run(search, q, DIM, &hits));
    SAYS("cosine");
    ft_search_free(search);
}

/* ---- explanations ---- */

static void explaining(ft_collection *docs) {
    const size_t dims[] = {1, 2}, keep[] = {20, 10};
    const float q[DIM] = {0};
    ft_search *search;
    ft_rerank *rerank;
    ft_answer *answer;
    ft_hits *hits;
    char *json;
    OK(ft_search_new(docs, &search));
    OK(ft_search_filter(search, "year = 2009"));
    OK(ft_rerank_levels(dims, keep, 2, &rerank));
    refine(search, rerank);
    OK(ft_search_run(search, q, DIM, &hits));
    EXPECT(first(hits).number == 9);
    OK(ft_hits_explain(hits, &json));
    ft_hits_free(hits);
    EXPECT(strstr(json, "\"parts\":[{") != NULL && strstr(json, "\"rows\":40") != NULL);
    EXPECT(strstr(json, "\"way\":\"") != NULL && strstr(json, "\"costs_ns\":{") != NULL);
    EXPECT(strstr(json, "\"matching\":[") != NULL && strstr(json, "\"fell_back\":false") != NULL);
    EXPECT(strstr(json, "\"schedule\":[{\"dims\":1,\"keep\":20},{\"dims\":2,\"keep\":10}]") != NULL);
    ft_string_free(json);
    /* The same of an answer, before it has begun. */
    OK(ft_search_start(search, q, DIM, &answer));
    ft_search_free(search);
    OK(ft_answer_explain(answer, &json));
    EXPECT(strstr(json, "\"rows\":40") != NULL && strstr(json, "\"keep\":20") != NULL);
    ft_string_free(json);
    OK(ft_answer_next(answer, &hits));
    FAILS(FT_STATUS_BAD_REQUEST, ft_hits_explain(hits, &json));
    EXPECT(json == NULL);
    ft_hits_free(hits);
    ft_answer_free(answer);
    OK(ft_collection_search_text(docs, "body", "fox", 3, NULL, &hits));
    OK(ft_hits_explain(hits, &json));
    EXPECT(strstr(json, "\"word\":\"fox\"") != NULL && strstr(json, "\"way\":\"") != NULL);
    ft_string_free(json);
    ft_hits_free(hits);
    FAILS(BAD, ft_answer_explain(NULL, &json));
    FAILS(BAD, ft_hits_explain(NULL, &json));
}

/* ---- an answer refined on its way, and cancelled by another thread ---- */

/* Two threads that take turns: one says that work has begun, the other that it is to end. */
struct turns {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int begun, ended;
    ft_canceller *canceller;
    size_t asked;
    int released;
};

static void set(struct turns *turns, int *what) {
    EXPECT(pthread_mutex_lock(&turns->lock) == 0);
    *what = 1;
    EXPECT(pthread_cond_broadcast(&turns->changed) == 0);
    EXPECT(pthread_mutex_unlock(&turns->lock) == 0);
}

static void await(struct turns *turns, const int *what) {
    EXPECT(pthread_mutex_lock(&turns->lock) == 0);
    while (!*what) {
        EXPECT(pthread_cond_wait(&turns->changed, &turns->lock) == 0);
    }
    EXPECT(pthread_mutex_unlock(&turns->lock) == 0);
}

static void begin(struct turns *turns) {
    memset(turns, 0, sizeof *turns);
    EXPECT(pthread_mutex_init(&turns->lock, NULL) == 0 && pthread_cond_init(&turns->changed, NULL) == 0);
}

static void end(struct turns *turns) {
    EXPECT(pthread_mutex_destroy(&turns->lock) == 0 && pthread_cond_destroy(&turns->changed) == 0);
}

/* Cancels as soon as work has begun. */
static void *cancels(void *data) {
    struct turns *turns = data;
    await(turns, &turns->begun);
    if (turns->canceller) {
        OK(ft_canceller_cancel(turns->canceller));
    }
    set(turns, &turns->ended);
    return NULL;
}

/* The farther the better; does not come back before the other thread has cancelled. */
static int slow(void *data, const ft_id *ids, size_t count, double *scores) {
    struct turns *turns = data;
    size_t i;
    set(turns, &turns->begun);
    await(turns, &turns->ended);
    turns->asked += count;
    for (i = 0; i < count; i++) {
        scores[i] = (double)ids[i].number;
    }
    return 0;
}

static void released(void *data) {
    ((struct turns *)data)->released++;
}

static int until_told(void *data, const ft_progress *now) {
    struct turns *turns = data;
    (void)now;
    set(turns, &turns->begun);
    await(turns, &turns->ended);
    return 0;
}

static ft_rerank *scorer_of(struct turns *turns) {
    ft_rerank *rerank;
    SIZED(ft_scorer, scorer);
    scorer.score = slow;
    scorer.data = turns;
    scorer.release = released;
    scorer.budget = ROWS;
    scorer.batch = 5;
    OK(ft_rerank_scorer(&scorer, &rerank));
    return rerank;
}

static void answers(ft_collection *docs) {
    const size_t dims[] = {1, 2}, keep[] = {20, 10};
    const float q[DIM] = {0};
    struct turns turns;
    ft_search *search;
    ft_rerank *rerank, *levels;
    ft_answer *answer;
    ft_hits *hits;
    int revisions;
    SIZED(ft_hits_info, info);
    begin(&turns);
    set(&turns, &turns.ended);
    OK(ft_search_new(docs, &search));
    OK(ft_search_start(search, q, DIM, &answer));
    ft_search_free(search);
    do {
        OK(ft_answer_next(answer, &hits));
        EXPECT(hits != NULL);
        OK(ft_hits_read_info(hits, &info));
        EXPECT(first(hits).number == 0 || info.stopped == FT_STOPPED_NOT_YET);
        ft_hits_free(hits);
    } while (info.stopped == FT_STOPPED_NOT_YET);
    OK(ft_answer_next(answer, &hits));
    EXPECT(hits == NULL);
    /* One more stage at the end: the list goes on from there. The other search shares it. */
    rerank = scorer_of(&turns);
    OK(ft_answer_rerank(answer, rerank));
    OK(ft_rerank_levels(dims, keep, 2, &levels));
    FAILS(FT_STATUS_BAD_REQUEST, ft_answer_rerank(answer, levels));
    ft_rerank_free(levels);
    FAILS(BAD, ft_answer_rerank(answer, NULL));
    for (revisions = 0;; revisions++) {
        OK(ft_answer_next(answer, &hits));
        if (!hits) {
            break;
        }
        OK(ft_hits_read_info(hits, &info));
        if (info.stopped != FT_STOPPED_NOT_YET) {
            EXPECT(first(hits).number > 8 && info.stage == FT_STAGE_RERANK);
        }
        ft_hits_free(hits);
    }
    EXPECT(revisions > 0 && turns.asked > 0 && turns.released == 0);
    ft_answer_free(answer);
    EXPECT(turns.released == 0);
    turns.asked = 0;
    OK(ft_search_new(docs, &search));
    OK(ft_search_rerank(search, rerank));
    ft_rerank_free(rerank);
    EXPECT(turns.released == 0);
    OK(ft_search_run(search, q, DIM, &hits));
    EXPECT(turns.asked > 0);
    ft_hits_free(hits);
    ft_search_free(search);
    EXPECT(turns.released == 1);
    end(&turns);
}

static void cancelling(ft_collection *docs) {
    const float q[DIM] = {0};
    struct turns turns;
    pthread_t thread;
    ft_search *search;
    ft_rerank *rerank;
    ft_answer *answer;
    ft_hits *hits;
    SIZED(ft_hits_info, info);
    SIZED(ft_index, index);

    /* A search that is in its scorer. */
    begin(&turns);
    OK(ft_canceller_new(&turns.canceller));
    OK(ft_search_new(docs, &search));
    OK(ft_search_canceller(search, turns.canceller));
    rerank = scorer_of(&turns);
    refine(search, rerank);
    EXPECT(pthread_create(&thread, NULL, cancels, &turns) == 0);
    FAILS(FT_STATUS_CANCELLED, ft_search_run(search, q, DIM, &hits));
    EXPECT(hits == NULL && turns.asked == 5);
    EXPECT(pthread_join(thread, NULL) == 0);
    ft_canceller_free(turns.canceller);
    ft_search_free(search);
    EXPECT(turns.released == 1);
    end(&turns);

    /* An answer that is there: its next revision is the last, with the best so far. */
    begin(&turns);
    OK(ft_search_new(docs, &search));
    rerank = scorer_of(&turns);
    refine(search, rerank);
    OK(ft_search_start(search, q, DIM, &answer));
    ft_search_free(search);
    OK(ft_answer_canceller(answer, &turns.canceller));
    EXPECT(pthread_create(&thread, NULL, cancels, &turns) == 0);
    do {
        OK(ft_answer_next(answer, &hits));
        EXPECT(hits != NULL);
        OK(ft_hits_read_info(hits, &info));
        ft_hits_free(hits);
    } while (info.stopped == FT_STOPPED_NOT_YET);
    EXPECT(info.stopped == FT_STOPPED_CANCELLED && info.len == 10 && turns.asked == 5);
    EXPECT(pthread_join(thread, NULL) == 0);
    ft_canceller_free(turns.canceller);
    ft_answer_free(answer);
    EXPECT(turns.released == 1);
    end(&turns);

    /* An index that is being built. */
    begin(&turns);
    index.kind = FT_INDEX_HNSW;
    EXPECT(pthread_create(&thread, NULL, cancels, &turns) == 0);
    FAILS(FT_STATUS_CANCELLED, ft_collection_optimize(docs, &index, until_told, &turns));
    EXPECT(pthread_join(thread, NULL) == 0);
    EXPECT(turns.begun && turns.ended);
    end(&turns);
}

/* ---- spaces, rules and the change of the model ---- */

enum { PAIRS = 60 };

static void circle(int i, float *old, float *new) {
    double t = 6.283185307179586 * i / PAIRS;
    old[0] = (float)cos(t);
    old[1] = (float)sin(t);
    new[0] = old[1];
    new[1] = 0;
    new[2] = old[0];
}

static void spaces(ft_collection *model) {
    static float old[2 * PAIRS], new[3 * PAIRS];
    float mapped[2];
    ft_search *search;
    ft_canceller *canceller;
    ft_adapter *adapter;
    ft_hits *hits;
    char *text;
    int i;
    SIZED(ft_fit, fit);
    for (i = 0; i < PAIRS; i++) {
        circle(i, old + 2 * i, new + 3 * i);
    }
    OK(ft_collection_space(model, &text));
    EXPECT(text == NULL);
    FAILS(FT_STATUS_BAD_REQUEST, ft_collection_set_rule_prefix(model, "wide@1", 2));
    FAILS(FT_STATUS_BAD_REQUEST, ft_collection_set_space(model, "nameless"));
    OK(ft_collection_set_space(model, "small@1"));
    OK(ft_collection_set_space(model, "small@1"));
    FAILS(FT_STATUS_EXISTS, ft_collection_set_space(model, "other@1"));
    OK(ft_collection_space(model, &text));
    EXPECT(strcmp(text, "small@1") == 0);
    ft_string_free(text);

    /* The first two numbers of a wide query are those of a row. */
    FAILS(FT_STATUS_BAD_REQUEST, ft_collection_set_rule_prefix(model, "wide@1", 3));
    OK(ft_collection_set_rule_prefix(model, "wide@1", 2));
    OK(ft_search_new(model, &search));
    OK(ft_search_space(search, "wide@1"));
    new[0] = old[2 * 5];
    new[1] = old[2 * 5 + 1];
    new[2] = 9.0f;
    OK(ft_search_run(search, new, 3, &hits));
    EXPECT(first(hits).number == 5);
    ft_hits_free(hits);
    circle(0, old, new);
    OK(ft_search_space(search, "large@1"));
    FAILS(FT_STATUS_BAD_REQUEST, ft_search_run(search, new, 3, &hits));

    /* Any other is mapped. */
    fit.method = FT_FIT_RIDGE;
    OK(ft_adapter_fit(new, 3, old, 2, PAIRS, &fit, NULL, &adapter));
    ft_adapter_free(adapter);
    fit.method = FT_FIT_ANCHORS;
    FAILS(BAD, ft_adapter_fit(new, 3, old, 2, PAIRS, &fit, NULL, &adapter));
    fit.parameter = 10;
    OK(ft_adapter_fit(new, 3, old, 2, PAIRS, &fit, NULL, &adapter));
    ft_adapter_free(adapter);
    fit.method = FT_FIT_PROCRUSTES;
    FAILS(BAD, ft_adapter_fit(new, 3, old, 2, PAIRS, &fit, NULL, &adapter));
    EXPECT(adapter == NULL);
    FAILS(FT_STATUS_BAD_REQUEST, ft_adapter_fit(new, 3, old, 2, 7, NULL, NULL, &adapter));
    OK(ft_canceller_new(&canceller));
    OK(ft_canceller_cancel(canceller));
    FAILS(FT_STATUS_CANCELLED, ft_adapter_fit(new, 3, old, 2, PAIRS, NULL, canceller, &adapter));
    ft_canceller_free(canceller);
    OK(ft_adapter_fit(new, 3, old, 2, PAIRS, NULL, NULL, &adapter));
    OK(ft_adapter_report(adapter, &text));
    EXPECT(strstr(text, "\"pairs\":60") != NULL && strstr(text, "\"retention_at_10\":{") != NULL);
    ft_string_free(text);
    OK(ft_adapter_apply(adapter, new + 3 * 9, 3, mapped, 2));
    EXPECT(fabs(mapped[0] - old[18]) < 1e-3 && fabs(mapped[1] - old[19]) < 1e-3);
    FAILS(FT_STATUS_DIMENSION_MISMATCH, ft_adapter_apply(adapter, new, 2, mapped, 2));
    FAILS(FT_STATUS_TOO_SMALL, ft_adapter_apply(adapter, new, 3, mapped, 1));
    FAILS(FT_STATUS_BAD_REQUEST, ft_collection_set_rule_adapter(model, "large@1", adapter, 1.1));
    SAYS("%");
    OK(ft_collection_set_rule_adapter(model, "large@1", adapter, 0.5));
    ft_adapter_free(adapter);
    OK(ft_search_run(search, new + 3 * 11, 3, &hits));
    EXPECT(first(hits).number == 11);
    ft_hits_free(hits);
    ft_search_free(search);
    OK(ft_collection_rules(model, &text));
    EXPECT(strstr(text, "\"large@1\"") != NULL && strstr(text, "\"wide@1\"") != NULL);
    ft_string_free(text);
    OK(ft_collection_remove_rule(model, "wide@1"));
    OK(ft_collection_remove_rule(model, "wide@1"));
    OK(ft_collection_rules(model, &text));
    EXPECT(strcmp(text, "[\"large@1\"]") == 0);
    ft_string_free(text);
}

static void changing(ft_collection *model) {
    static float vectors[3 * PAIRS];
    float old[2], new[3];
    ft_schema *schema = plain(3, FT_METRIC_COSINE);
    ft_change *change, *again;
    ft_backfill *backfill;
    ft_pending *pending;
    ft_record *record;
    ft_collection *large, *back;
    ft_search *search;
    ft_batch *batch;
    ft_hits *hits;
    ft_field_vector own;
    uint64_t there, waiting, written, all = 0;
    size_t i;
    int flipped;
    ft_id asked[4];
    char *text;
    SIZED(ft_record_view, view);
    SIZED(ft_row, row);
    FAILS(FT_STATUS_NOT_FOUND, ft_collection_change(model, &change));
    FAILS(FT_STATUS_BAD_REQUEST, ft_collection_begin_change(model, schema, &change));
    OK(ft_schema_space(schema, "large@1"));
    OK(ft_collection_begin_change(model, schema, &change));
    FAILS(FT_STATUS_EXISTS, ft_collection_begin_change(model, schema, &again));
    /* Given up, and begun anew. */
    OK(ft_change_finish(change));
    FAILS(FT_STATUS_NOT_FOUND, ft_change_finish(change));
    ft_change_free(change);
    OK(ft_collection_begin_change(model, schema, &change));
    ft_schema_free(schema);
    OK(ft_change_space(change, &text));
    EXPECT(strcmp(text, "large@1") == 0);
    ft_string_free(text);
    OK(ft_change_progress(change, &there, &waiting));
    EXPECT(there == 0 && waiting == PAIRS);
    OK(ft_change_is_flipped(change, &flipped));
    EXPECT(flipped == 0);
    FAILS(FT_STATUS_BAD_REQUEST, ft_change_flip(change, &large));
    EXPECT(large == NULL);
    FAILS(FT_STATUS_NOT_FOUND, ft_change_get(change, ft_id_int(0), &record));

    /* A row that is written with both vectors does not wait; one that is written with the old one alone waits anew. */
    OK(ft_change_backfill(change, FT_ORDER_STORED, &backfill));
    OK(ft_backfill_next(backfill, 5, &pending));
    EXPECT(ft_pending_len(pending) == 5);
    memset(&own, 0, sizeof own);
    circle(PAIRS - 1, old, new);
    own.vector = new;
    own.dim = 3;
    row.id = ft_id_int(PAIRS - 1);
    row.vector = old;
    row.dim = 2;
    row.fields = &own;
    row.fields_len = 1;
    OK(ft_batch_new(model, &batch));
    OK(ft_batch_upsert_row(batch, &row));
    circle(2, old, new);
    OK(ft_batch_upsert(batch, ft_id_int(2), old, 2, "{\"place\": 2}"));
    OK(ft_batch_commit(batch));
    ft_batch_free(batch);
    OK(ft_change_progress(change, &there, &waiting));
    EXPECT(there == 1 && waiting == PAIRS - 1);
    for (i = 0; i < 5; i++) {
        OK(ft_pending_read(pending, i, &view));
        EXPECT(view.dim == 2 && strstr(view.payload, "place") != NULL);
        circle((int)view.id.number, old, vectors + 3 * i);
    }
    FAILS(BAD, ft_pending_read(pending, 5, &view));
    FAILS(FT_STATUS_DIMENSION_MISMATCH, ft_change_write(change, pending, vectors, 2, NULL, 0, 0, &written));
    FAILS(BAD, ft_change_write(change, pending, NULL, 3, NULL, 0, 0, &written));
    OK(ft_change_write(change, pending, vectors, 3, NULL, 0, 0, &written));
    EXPECT(written == 4);
    ft_pending_free(pending);
    ft_backfill_free(backfill);

    /* Rows asked for by their ids: one that waits, one that does not, one that is not there, another that waits. */
    asked[0] = ft_id_int(9);
    asked[1] = ft_id_int(0);
    asked[2] = ft_id_int(99999);
    asked[3] = ft_id_int(7);
    OK(ft_change_pending(change, asked, 4, &pending));
    EXPECT(ft_pending_len(pending) == 2);
    OK(ft_pending_read(pending, 0, &view));
    EXPECT(view.id.number == 9);
    OK(ft_pending_read(pending, 1, &view));
    EXPECT(view.id.number == 7);
    ft_pending_free(pending);
    FAILS(BAD, ft_change_pending(change, NULL, 4, &pending));

    /* All others, some at a time, until none waits. */
    FAILS(BAD, ft_change_backfill(change, 7, &backfill));
    FAILS(FT_STATUS_BAD_REQUEST, ft_change_backfill(change, FT_ORDER_VARIANCE, &backfill));
    OK(ft_change_backfill(change, FT_ORDER_STORED, &backfill));
    FAILS(BAD, ft_backfill_next(backfill, 0, &pending));
    for (;;) {
        OK(ft_backfill_next(backfill, 16, &pending));
        if (!pending) {
            break;
        }
        for (i = 0; i < ft_pending_len(pending); i++) {
            OK(ft_pending_read(pending, i, &view));
            circle((int)view.id.number, old, vectors + 3 * i);
        }
        OK(ft_change_write(change, pending, vectors, 3, NULL, 0, 0, NULL));
        all += ft_pending_len(pending);
        ft_pending_free(pending);
    }
    ft_backfill_free(backfill);
    EXPECT(all == PAIRS - 5);
    OK(ft_change_progress(change, &there, &waiting));
    EXPECT(there == PAIRS && waiting == 0);
    OK(ft_change_get(change, ft_id_int(3), &record));
    OK(ft_record_read(record, &view));
    EXPECT(view.dim == 3);
    ft_record_free(record);

    OK(ft_change_flip(change, &large));
    FAILS(FT_STATUS_NOT_FOUND, ft_change_flip(change, &back));
    ft_change_free(change);
    circle(13, old, new);
    OK(ft_search_new(large, &search));
    OK(ft_search_run(search, new, 3, &hits));
    EXPECT(first(hits).number == 13);
    ft_hits_free(hits);
    ft_search_free(search);
    /* Handles from before cannot write any more. */
    OK(ft_batch_new(model, &batch));
    OK(ft_batch_upsert(batch, ft_id_int(1), old, 2, NULL));
    EXPECT(ft_batch_commit(batch) != FT_STATUS_OK);
    ft_batch_free(batch);
    /* And back, and forth again. */
    OK(ft_collection_change(large, &change));
    OK(ft_change_flip(change, &back));
    ft_change_free(change);
    OK(ft_collection_space(back, &text));
    EXPECT(strcmp(text, "small@1") == 0);
    ft_string_free(text);
    OK(ft_collection_change(back, &change));
    ft_collection_free(large);
    OK(ft_change_flip(change, &large));
    ft_change_free(change);
    OK(ft_collection_change(large, &change));
    OK(ft_change_finish(change));
    ft_change_free(change);
    FAILS(FT_STATUS_NOT_FOUND, ft_collection_change(large, &change));
    EXPECT(count(large) == PAIRS);
    ft_collection_free(large);
    ft_collection_free(back);
}

/* A variance for each row in the other space, and rows in the order of their own. */
static void uncertain(ft_database *db) {
    const float vectors[4] = {1.0f, 0, 0, 1.0f}, variances[2] = {4.0f, 9.0f};
    float own = 1.0f;
    ft_schema *schema = plain(1, FT_METRIC_L2);
    ft_collection *sure;
    ft_change *change;
    ft_backfill *backfill;
    ft_pending *pending;
    ft_record *record;
    ft_batch *batch;
    uint64_t written;
    int i;
    SIZED(ft_row, row);
    SIZED(ft_record_view, view);
    OK(ft_schema_variance(schema, FT_VARIANCE_SCALAR));
    OK(ft_schema_space(schema, "one@1"));
    OK(ft_database_create_collection(db, "sure", schema, &sure));
    ft_schema_free(schema);
    OK(ft_batch_new(sure, &batch));
    for (i = 0; i < 2; i++) {
        float variance = (float)(i + 1);
        row.id = ft_id_int(i);
        row.vector = &own;
        row.dim = 1;
        row.variance = &variance;
        row.variance_len = 1;
        row.variance_kind = FT_SPREAD_VARIANCE;
        OK(ft_batch_upsert_row(batch, &row));
    }
    OK(ft_batch_commit(batch));
    ft_batch_free(batch);
    schema = plain(2, FT_METRIC_L2);
    OK(ft_schema_variance(schema, FT_VARIANCE_SCALAR));
    OK(ft_schema_space(schema, "two@1"));
    OK(ft_collection_begin_change(sure, schema, &change));
    ft_schema_free(schema);
    OK(ft_change_backfill(change, FT_ORDER_VARIANCE, &backfill));
    OK(ft_backfill_next(backfill, 10, &pending));
    OK(ft_pending_read(pending, 0, &view));
    EXPECT(ft_pending_len(pending) == 2 && view.id.number == 1 && view.variance[0] == 2.0f);
    FAILS(BAD, ft_change_write(change, pending, vectors, 2, variances, 1, 77, &written));
    FAILS(FT_STATUS_BAD_VARIANCE, ft_change_write(change, pending, vectors, 2, vectors, 2, FT_SPREAD_VARIANCE, &written));
    OK(ft_change_write(change, pending, vectors, 2, variances, 1, FT_SPREAD_DEVIATION, &written));
    EXPECT(written == 2);
    OK(ft_change_get(change, ft_id_int(1), &record));
    OK(ft_record_read(record, &view));
    EXPECT(view.vector[0] == 1.0f && view.variance_len == 1 && view.variance[0] == 16.0f);
    ft_record_free(record);
    ft_pending_free(pending);
    ft_backfill_free(backfill);
    ft_change_free(change);
    ft_collection_free(sure);
}

/* Levels that come and go, a further full-text field, what a model's output is cut to. */
static void shapes(ft_database *db) {
    const size_t longer[] = {4};
    const int64_t ids[] = {1, 2};
    const float vectors[] = {1.0f, 0, 0, 1.0f}, whole[] = {4.0f, 2.0f, 1.0f, 1.0f};
    ft_schema *schema = plain(2, FT_METRIC_L2);
    ft_collection *small;
    ft_record *record;
    ft_batch *batch;
    ft_hits *hits;
    size_t dim;
    SIZED(ft_index, index);
    SIZED(ft_record_view, view);
    index.kind = FT_INDEX_FLAT;
    OK(ft_schema_index(schema, &index));
    OK(ft_schema_rotation(schema, FT_ROTATION_NONE));
    OK(ft_database_create_collection(db, "small", schema, &small));
    FAILS(BAD, ft_schema_rotation(schema, 9));
    ft_schema_free(schema);
    OK(ft_batch_new(small, &batch));
    OK(ft_batch_upsert_ints(batch, ids, vectors, 2, 2));
    FAILS(BAD, ft_batch_upsert_ints(batch, ids, vectors, 2, 0));
    FAILS(BAD, ft_batch_commit(batch));
    OK(ft_batch_upsert_ints(batch, ids, vectors, 2, 2));
    OK(ft_batch_commit(batch));
    OK(ft_collection_extend(small, longer, 1));
    OK(ft_collection_dim(small, &dim));
    EXPECT(count(small) == 2 && dim == 4);
    OK(ft_batch_upsert(batch, ft_id_int(3), whole, 4, "{\"title\": \"a longer row\"}"));
    OK(ft_batch_commit(batch));
    OK(ft_collection_flush(small));
    OK(ft_collection_add_text(small, "title", "english", 0));
    OK(ft_collection_search_text(small, "title", "rows", 3, NULL, &hits));
    EXPECT(ft_hits_len(hits) == 1 && first(hits).number == 3);
    ft_hits_free(hits);
    FAILS(BAD, ft_collection_add_text(small, "body", "klingon", 0));
    FAILS(FT_STATUS_BAD_REQUEST, ft_collection_truncate(small, 3));
    OK(ft_collection_truncate(small, 2));
    OK(ft_collection_get(small, ft_id_int(3), &record));
    OK(ft_record_read(record, &view));
    EXPECT(view.dim == 2 && view.vector[0] == 4.0f);
    ft_record_free(record);
    ft_batch_free(batch);
    ft_collection_free(small);

    schema = plain(2, FT_METRIC_COSINE);
    OK(ft_schema_recipe(schema, "layer_norm", 4));
    OK(ft_database_create_collection(db, "cut", schema, &small));
    FAILS(BAD, ft_schema_recipe(schema, "magic", 4));
    ft_schema_free(schema);
    OK(ft_batch_new(small, &batch));
    OK(ft_batch_upsert(batch, ft_id_int(1), whole, 4, NULL));
    OK(ft_batch_commit(batch));
    ft_batch_free(batch);
    OK(ft_collection_get(small, ft_id_int(1), &record));
    OK(ft_record_read(record, &view));
    /* Of mean 2 and variance 1.5. */
    EXPECT(view.dim == 2 && view.vector[0] > 0 && fabs(view.vector[1]) < 1e-3);
    ft_record_free(record);
    ft_collection_free(small);
    OK(ft_database_forget_scores(db, "ce-1"));
    OK(ft_database_forget_scores(db, NULL));
}

static ft_collection *create_model(ft_database *db) {
    ft_schema *schema = plain(2, FT_METRIC_COSINE);
    ft_collection *model;
    ft_batch *batch;
    int i;
    OK(ft_database_create_collection(db, "model", schema, &model));
    ft_schema_free(schema);
    OK(ft_batch_new(model, &batch));
    for (i = 0; i < PAIRS; i++) {
        float old[2], new[3];
        char payload[32];
        circle(i, old, new);
        snprintf(payload, sizeof payload, "{\"place\": %d}", i);
        OK(ft_batch_upsert(batch, ft_id_int(i), old, 2, payload));
    }
    OK(ft_batch_commit(batch));
    ft_batch_free(batch);
    return model;
}

int main(int argc, char **argv) {
    ft_options *options;
    ft_database *db;
    ft_collection *docs, *model;
    EXPECT(argc == 2);
    OK(ft_options_new(&options));
    OK(ft_options_background(options, 0));
    OK(ft_options_create(options, 0));
    FAILS(FT_STATUS_NOT_FOUND, ft_open(argv[1], options, &db));
    OK(ft_options_create(options, 1));
    OK(ft_options_access(options, FT_ACCESS_READ));
    OK(ft_options_seal_bytes(options, 1 << 20));
    OK(ft_options_remembered_scores(options, 1000));
    OK(ft_open(argv[1], options, &db));
    FAILS(BAD, ft_options_access(options, 9));
    ft_options_free(options);
    imports(db, argv[1]);
    docs = create(db);
    fusing(docs);
    explaining(docs);
    answers(docs);
    cancelling(docs);
    scanning(docs);
    model = create_model(db);
    spaces(model);
    changing(model);
    uncertain(db);
    shapes(db);
    ft_collection_free(model);
    ft_collection_free(docs);
    ft_database_free(db);
    puts("all expectations met");
    return 0;
}
