/* Every part of the interface, and what it refuses. Prints the line of the first expectation that is not met. */
#include "expect.h"
#include <math.h>
#include <pthread.h>

enum { ROWS = 300, DIM = 4 };

static ft_collection *create(ft_database *db, const char *name) {
    static const size_t levels[] = {2, 4};
    ft_schema *schema, *image;
    ft_collection *collection;
    OK(ft_schema_new(DIM, FT_METRIC_L2, &schema));
    OK(ft_schema_levels(schema, levels, 2));
    OK(ft_schema_variance(schema, FT_VARIANCE_SCALAR));
    OK(ft_schema_column(schema, "year", FT_COLUMN_INT));
    OK(ft_schema_text(schema, "body", "english", 0));
    OK(ft_schema_tokens(schema, 2, FT_ELEMENT_F16));
    OK(ft_schema_new(2, FT_METRIC_L2, &image));
    OK(ft_schema_field(schema, "image", image));
    ft_schema_free(image);
    OK(ft_database_create_collection(db, name, schema, &collection));
    ft_schema_free(schema);
    return collection;
}

static void fill(ft_collection *docs) {
    ft_batch *batch;
    size_t len;
    int i;
    OK(ft_batch_new(docs, &batch));
    for (i = 0; i < ROWS; i++) {
        char payload[64], name[16];
        float vector[DIM] = {0}, image[2] = {0}, variance = (float)(i % 10 + 1), tokens[2] = {1.0f, 0.0f};
        ft_field_vector field;
        ft_row row;
        vector[0] = (float)i;
        vector[3] = 1.0f;
        image[0] = (float)-i;
        snprintf(payload, sizeof payload, "{\"year\": %d, \"body\": \"running number %d\"}", 2000 + i % 20, i);
        snprintf(name, sizeof name, "row-%d", i);
        memset(&row, 0, sizeof row);
        memset(&field, 0, sizeof field);
        field.name = "image";
        field.vector = image;
        field.dim = 2;
        row.size = sizeof row;
        row.id = i % 2 ? ft_id_int(i) : ft_id_text(name);
        row.vector = vector;
        row.dim = DIM;
        row.payload = payload;
        row.variance = &variance;
        row.variance_len = 1;
        row.variance_kind = FT_SPREAD_VARIANCE;
        row.tokens = tokens;
        row.tokens_len = 2;
        row.fields = &field;
        row.fields_len = 1;
        OK(ft_batch_upsert_row(batch, &row));
    }
    OK(ft_batch_mark(batch, "import", 42));
    OK(ft_batch_len(batch, &len));
    EXPECT(len == ROWS);
    OK(ft_batch_commit(batch));
    OK(ft_batch_len(batch, &len));
    EXPECT(len == 0);
    ft_batch_free(batch);
}

static void nulls(void) {
    const float q[DIM] = {0};
    ft_hits_info info;
    ft_database *db = (ft_database *)&info;
    ft_hit hit;
    ft_hits *hits;
    uint64_t rows;
    size_t count;
    int found;
    char *json;
    FAILS(BAD, ft_open(NULL, NULL, &db));
    EXPECT(db == NULL);
    SAYS("path is NULL");
    FAILS(BAD, ft_open("x.ft", NULL, NULL));
    FAILS(BAD, ft_open("", NULL, &db));
    FAILS(BAD, ft_database_stats(NULL, &json));
    EXPECT(json == NULL);
    FAILS(BAD, ft_database_close(NULL));
    FAILS(BAD, ft_database_collection(NULL, "a", NULL));
    FAILS(BAD, ft_database_drop_collection(NULL, NULL));
    FAILS(BAD, ft_check(NULL, NULL, NULL, &json));
    FAILS(BAD, ft_repair(NULL, &json));
    FAILS(BAD, ft_collection_count(NULL, &rows));
    FAILS(BAD, ft_collection_contains(NULL, ft_id_int(1), &found));
    FAILS(BAD, ft_collection_get(NULL, ft_id_int(1), NULL));
    FAILS(BAD, ft_collection_compact(NULL, NULL, NULL));
    FAILS(BAD, ft_collection_optimize(NULL, NULL, NULL, NULL));
    FAILS(BAD, ft_batch_new(NULL, NULL));
    FAILS(BAD, ft_batch_commit(NULL));
    FAILS(BAD, ft_batch_delete(NULL, ft_id_int(1)));
    FAILS(BAD, ft_schema_new(3, 99, NULL));
    FAILS(BAD, ft_schema_levels(NULL, NULL, 0));
    FAILS(BAD, ft_search_new(NULL, NULL));
    FAILS(BAD, ft_search_k(NULL, 1));
    FAILS(BAD, ft_search_run(NULL, q, DIM, &hits));
    EXPECT(hits == NULL);
    FAILS(BAD, ft_search_into(NULL, q, DIM, &hit, 1, &count, NULL, 0));
    FAILS(BAD, ft_search_start(NULL, q, DIM, NULL));
    FAILS(BAD, ft_answer_next(NULL, &hits));
    FAILS(BAD, ft_answer_canceller(NULL, NULL));
    FAILS(BAD, ft_canceller_cancel(NULL));
    FAILS(BAD, ft_hits_get(NULL, 0, &hit));
    memset(&info, 0, sizeof info);
    FAILS(BAD, ft_hits_read_info(NULL, &info));
    EXPECT(ft_hits_len(NULL) == 0 && ft_hits_problem(NULL) == NULL);
    ft_database_free(NULL);
    ft_collection_free(NULL);
    ft_batch_free(NULL);
    ft_schema_free(NULL);
    ft_options_free(NULL);
    ft_search_free(NULL);
    ft_rerank_free(NULL);
    ft_fuse_free(NULL);
    ft_scan_free(NULL);
    ft_adapter_free(NULL);
    ft_change_free(NULL);
    ft_backfill_free(NULL);
    ft_pending_free(NULL);
    ft_snapshot_free(NULL);
    ft_answer_free(NULL);
    ft_hits_free(NULL);
    ft_record_free(NULL);
    ft_canceller_free(NULL);
    ft_string_free(NULL);
}

static void errors(ft_database *db, ft_collection *docs) {
    const float q[DIM] = {1.0f}, nan4[DIM] = {NAN};
    ft_collection *other;
    ft_schema *schema;
    ft_batch *batch;
    ft_search *search;
    ft_hits *hits;
    ft_record *record;
    ft_row row;
    ft_id none;
    uint64_t before, after;
    FAILS(FT_STATUS_NOT_FOUND, ft_database_collection(db, "nowhere", &other));
    EXPECT(other == NULL);
    FAILS(BAD, ft_database_collection(db, "\xff", &other));
    SAYS("UTF-8");
    OK(ft_schema_new(DIM, FT_METRIC_L2, &schema));
    EXPECT(ft_last_error()[0] == 0);
    FAILS(FT_STATUS_EXISTS, ft_database_create_collection(db, "docs", schema, &other));
    FAILS(BAD, ft_schema_element(schema, 77));
    /* What was refused once fails what uses it. */
    FAILS(BAD, ft_database_create_collection(db, "other", schema, &other));
    SAYS("FT_ELEMENT");
    ft_schema_free(schema);

    OK(ft_collection_count(docs, &before));
    OK(ft_batch_new(docs, &batch));
    FAILS(FT_STATUS_BAD_PAYLOAD, ft_batch_upsert(batch, ft_id_int(1000), q, DIM, "{oops"));
    OK(ft_batch_upsert(batch, ft_id_int(1001), q, DIM, NULL));
    FAILS(FT_STATUS_BAD_PAYLOAD, ft_batch_commit(batch));
    SAYS("1000");
    OK(ft_batch_upsert(batch, ft_id_int(1000), nan4, DIM, NULL));
    FAILS(FT_STATUS_NON_FINITE, ft_batch_commit(batch));
    OK(ft_batch_upsert(batch, ft_id_int(1000), q, 3, NULL));
    FAILS(FT_STATUS_DIMENSION_MISMATCH, ft_batch_commit(batch));
    OK(ft_batch_upsert(batch, ft_id_int(1000), q, DIM, NULL));
    OK(ft_batch_delete(batch, ft_id_int(1000)));
    FAILS(FT_STATUS_DUPLICATE_ID, ft_batch_commit(batch));
    OK(ft_batch_upsert(batch, ft_id_int(1000), q, DIM, "{\"year\": \"late\"}"));
    FAILS(FT_STATUS_BAD_PAYLOAD, ft_batch_commit(batch));
    FAILS(BAD, ft_batch_upsert(batch, ft_id_text(NULL), q, DIM, NULL));
    FAILS(BAD, ft_batch_commit(batch));
    FAILS(BAD, ft_batch_upsert(batch, ft_id_int(1), NULL, DIM, NULL));
    FAILS(BAD, ft_batch_commit(batch));
    FAILS(BAD, ft_batch_upsert(batch, ft_id_int(1), q, (size_t)-1, NULL));
    FAILS(BAD, ft_batch_commit(batch));
    memset(&none, 0, sizeof none);
    FAILS(BAD, ft_batch_delete(batch, none));
    FAILS(BAD, ft_batch_commit(batch));
    memset(&row, 0, sizeof row);
    FAILS(BAD, ft_batch_upsert_row(batch, &row));
    SAYS("sizeof");
    FAILS(BAD, ft_batch_commit(batch));
    OK(ft_batch_commit(batch));
    ft_batch_free(batch);
    OK(ft_collection_count(docs, &after));
    EXPECT(before == after);

    FAILS(FT_STATUS_NOT_FOUND, ft_collection_get(docs, ft_id_text("nobody"), &record));
    EXPECT(record == NULL);
    SAYS("nobody");
    OK(ft_search_new(docs, &search));
    FAILS(FT_STATUS_DIMENSION_MISMATCH, ft_search_run(search, q, 3, &hits));
    FAILS(BAD, ft_search_run(search, NULL, DIM, &hits));
    FAILS(FT_STATUS_BAD_FILTER, ft_search_filter(search, "year = = 3"));
    FAILS(FT_STATUS_BAD_FILTER, ft_search_run(search, q, DIM, &hits));
    EXPECT(hits == NULL);
    ft_search_free(search);
    EXPECT(strcmp(ft_status_name(FT_STATUS_DUPLICATE_ID), "DUPLICATE_ID") == 0);
    EXPECT(strcmp(ft_version(), FT_VERSION) == 0);
}

static void reading(ft_collection *docs) {
    ft_record *record;
    ft_record_view view;
    ft_snapshot *snapshot;
    ft_batch *batch;
    const float *vector;
    const float q[DIM] = {0};
    size_t dim;
    uint64_t position, rows;
    int found;
    OK(ft_collection_get(docs, ft_id_text("row-4"), &record));
    memset(&view, 0, sizeof view);
    view.size = sizeof view;
    OK(ft_record_read(record, &view));
    EXPECT(view.size == sizeof view && view.id.kind == FT_ID_TEXT && strcmp(view.id.text, "row-4") == 0);
    EXPECT(view.dim == DIM && view.vector[0] == 4.0f && view.variance_len == 1 && view.variance[0] == 5.0f);
    EXPECT(view.tokens_len == 2 && view.tokens[0] == 1.0f && strstr(view.payload, "2004") != NULL);
    OK(ft_record_field(record, "image", &vector, &dim));
    EXPECT(dim == 2 && vector[0] == -4.0f);
    FAILS(FT_STATUS_NOT_FOUND, ft_record_field(record, "sound", &vector, &dim));
    ft_record_free(record);
    OK(ft_collection_get(docs, ft_id_int(7), &record));
    OK(ft_record_read(record, &view));
    EXPECT(view.id.kind == FT_ID_INT && view.id.number == 7 && view.id.text == NULL);
    ft_record_free(record);
    OK(ft_collection_contains(docs, ft_id_int(4), &found));
    EXPECT(found == 0);
    OK(ft_collection_mark(docs, "import", &position));
    EXPECT(position == 42);
    FAILS(FT_STATUS_NOT_FOUND, ft_collection_mark(docs, "export", &position));
    /* A snapshot stays as it was. */
    OK(ft_collection_snapshot(docs, &snapshot));
    OK(ft_batch_new(docs, &batch));
    OK(ft_batch_upsert(batch, ft_id_int(9999), q, DIM, NULL));
    OK(ft_batch_commit(batch));
    OK(ft_snapshot_count(snapshot, &rows));
    EXPECT(rows == ROWS);
    FAILS(FT_STATUS_NOT_FOUND, ft_snapshot_get(snapshot, ft_id_int(9999), &record));
    OK(ft_batch_delete(batch, ft_id_int(9999)));
    OK(ft_batch_commit(batch));
    ft_batch_free(batch);
    ft_snapshot_free(snapshot);
}

static void searching(ft_collection *docs) {
    const float q[DIM] = {10.2f, 0, 0, 1.0f}, many[2 * DIM] = {0, 0, 0, 1.0f, 20.0f, 0, 0, 1.0f}, image[2] = {-3.0f, 0};
    const size_t dims[] = {2, 4}, keep[] = {20, 10};
    ft_search *search;
    ft_rerank *rerank;
    ft_snapshot *snapshot;
    ft_canceller *canceller;
    ft_hits *hits;
    ft_hits_info info;
    ft_hit hit, room[10];
    char text[10 * 1025], *json;
    size_t count, counts[2];
    OK(ft_search_new(docs, &search));
    OK(ft_search_k(search, 5));
    OK(ft_search_run(search, q, DIM, &hits));
    EXPECT(ft_hits_len(hits) == 5);
    OK(ft_hits_get(hits, 0, &hit));
    EXPECT(hit.id.kind == FT_ID_TEXT && strcmp(hit.id.text, "row-10") == 0 && hit.id.len == 6);
    EXPECT(fabs(hit.distance - 0.2) < 1e-5 && fabs(hit.score + 0.2) < 1e-5 && hit.stage == FT_STAGE_EXACT);
    OK(ft_hits_get(hits, 1, &hit));
    EXPECT(hit.id.kind == FT_ID_INT && hit.id.number == 11 && hit.uncertainty > 0);
    FAILS(BAD, ft_hits_get(hits, 5, &hit));
    FAILS(FT_STATUS_TOO_SMALL, ft_hits_read(hits, room, 4));
    OK(ft_hits_read(hits, room, 10));
    EXPECT(room[1].id.number == 11);
    memset(&info, 0xff, sizeof info);
    info.size = sizeof info;
    OK(ft_hits_read_info(hits, &info));
    EXPECT(info.len == 5 && info.settled == 5 && info.number == 0 && info.stopped == FT_STOPPED_COMPLETE);
    /* A program built with an older, shorter header. */
    memset(&info, 0xff, sizeof info);
    info.size = offsetof(ft_hits_info, number);
    OK(ft_hits_read_info(hits, &info));
    EXPECT(info.len == 5 && info.settled == 5 && info.number == 0xffffffffu);
    info.size = 1;
    FAILS(BAD, ft_hits_read_info(hits, &info));
    OK(ft_hits_payload(hits, 0, &json));
    EXPECT(strstr(json, "2010") != NULL);
    ft_string_free(json);
    ft_hits_free(hits);

    FAILS(FT_STATUS_TOO_SMALL, ft_search_into(search, q, DIM, room, 4, &count, text, sizeof text));
    FAILS(FT_STATUS_TOO_SMALL, ft_search_into(search, q, DIM, room, 10, &count, text, 3));
    FAILS(BAD, ft_search_into(search, q, DIM, NULL, 10, &count, text, sizeof text));
    OK(ft_search_into(search, q, DIM, room, 10, &count, text, sizeof text));
    EXPECT(count == 5 && room[0].id.text >= text && strcmp(room[0].id.text, "row-10") == 0);
    OK(ft_search_batch(search, many, 2, DIM, 0, room, 10, counts, text, sizeof text));
    EXPECT(counts[0] == 5 && counts[1] == 5);
    EXPECT(strcmp(room[0].id.text, "row-0") == 0 && strcmp(room[5].id.text, "row-20") == 0);
    FAILS(FT_STATUS_TOO_SMALL, ft_search_batch(search, many, 2, DIM, 0, room, 9, counts, text, sizeof text));

    OK(ft_search_filter(search, "year = 2001 AND body LIKE 'running number 2%'"));
    OK(ft_search_run(search, q, DIM, &hits));
    OK(ft_hits_get(hits, 0, &hit));
    EXPECT(hit.id.kind == FT_ID_INT && hit.id.number == 21);
    ft_hits_free(hits);
    OK(ft_search_filter(search, NULL));
    OK(ft_search_dims(search, 2));
    OK(ft_search_ef(search, 50));
    OK(ft_search_nprobe(search, 8));
    OK(ft_search_exact(search, 1));
    OK(ft_search_target_recall(search, 0.9));
    OK(ft_search_deadline_us(search, 60000000));
    OK(ft_search_budget(search, 1000000));
    OK(ft_search_max_uncertainty(search, 50.0f));
    OK(ft_search_run(search, q, DIM, &hits));
    EXPECT(ft_hits_len(hits) == 5);
    ft_hits_free(hits);
    OK(ft_canceller_new(&canceller));
    OK(ft_search_canceller(search, canceller));
    OK(ft_canceller_cancel(canceller));
    FAILS(FT_STATUS_CANCELLED, ft_search_run(search, q, DIM, &hits));
    FAILS(FT_STATUS_CANCELLED, ft_search_batch(search, many, 2, DIM, 1, room, 10, counts, text, sizeof text));
    ft_canceller_free(canceller);
    ft_search_free(search);

    OK(ft_search_new(docs, &search));
    OK(ft_search_field(search, "image"));
    OK(ft_search_run(search, image, 2, &hits));
    OK(ft_hits_get(hits, 0, &hit));
    EXPECT(hit.id.number == 3 && hit.distance == 0.0);
    ft_hits_free(hits);
    OK(ft_search_batch(search, image, 1, 2, 0, room, 10, counts, text, sizeof text));
    EXPECT(counts[0] > 0 && room[0].id.number == 3 && room[0].distance == 0.0);
    ft_search_free(search);

    OK(ft_collection_snapshot(docs, &snapshot));
    OK(ft_search_new_in(snapshot, &search));
    ft_snapshot_free(snapshot);
    OK(ft_rerank_levels(dims, keep, 2, &rerank));
    refine(search, rerank);
    OK(ft_rerank_mmr(0.5, 0, &rerank));
    refine(search, rerank);
    OK(ft_search_run(search, q, DIM, &hits));
    EXPECT(ft_hits_len(hits) == 10 && ft_hits_problem(hits) == NULL);
    ft_hits_free(hits);
    FAILS(BAD, ft_rerank_mmr(2.0, 0, &rerank));
    /* A stage that could not be made is not left out in silence. */
    EXPECT(rerank == NULL);
    FAILS(BAD, ft_search_rerank(search, rerank));
    FAILS(BAD, ft_search_run(search, q, DIM, &hits));
    SAYS("rerank is NULL");
    ft_search_free(search);
    OK(ft_search_new(docs, &search));
    OK(ft_rerank_csd(1.0, &rerank));
    refine(search, rerank);
    OK(ft_search_run(search, q, DIM, &hits));
    OK(ft_hits_get(hits, 0, &hit));
    EXPECT(strcmp(hit.id.text, "row-10") == 0);
    ft_hits_free(hits);
    ft_search_free(search);

    OK(ft_collection_search_text(docs, "body", "runs 17", 3, NULL, &hits));
    OK(ft_hits_get(hits, 0, &hit));
    EXPECT(hit.id.number == 17 && hit.score > 0 && isnan(hit.distance));
    ft_hits_free(hits);
    FAILS(FT_STATUS_BAD_REQUEST, ft_collection_search_text(docs, "title", "x", 3, NULL, &hits));
}

static ft_hits *refined(ft_collection *docs, ft_rerank *rerank, const float *variance) {
    const float q[DIM] = {10.2f, 0, 0, 1.0f};
    ft_search *search;
    ft_hits *hits;
    OK(ft_search_new(docs, &search));
    if (variance) {
        OK(ft_search_query_variance(search, variance, 1, FT_SPREAD_VARIANCE));
    }
    refine(search, rerank);
    OK(ft_search_run(search, q, DIM, &hits));
    EXPECT(ft_hits_len(hits) == 10 && ft_hits_problem(hits) == NULL);
    ft_search_free(search);
    return hits;
}

static void stages(ft_collection *docs) {
    const float tokens[] = {0.0f, 1.0f, 1.0f, 0.0f}, variance = 0.5f, q[DIM] = {10.2f};
    ft_rerank *rerank;
    ft_search *search;
    ft_hits *hits;
    ft_hits_info info;
    ft_hit hit;
    char *json;
    info.size = sizeof info;
    OK(ft_rerank_uncertainty(30, &rerank));
    hits = refined(docs, rerank, NULL);
    OK(ft_hits_get(hits, 0, &hit));
    /* The surest have a variance of 1 in each of four dimensions. */
    EXPECT(hit.uncertainty == 4.0 && hit.stage == FT_STAGE_RERANK);
    ft_hits_free(hits);
    OK(ft_rerank_gaussian(FT_MEASURE_WASSERSTEIN, &rerank));
    hits = refined(docs, rerank, &variance);
    OK(ft_hits_read_info(hits, &info));
    EXPECT(fabs(info.query_uncertainty - 2.0) < 1e-6);
    ft_hits_free(hits);
    FAILS(BAD, ft_rerank_gaussian(9, &rerank));
    /* One of the query's two tokens is that of every row, the other is across. */
    OK(ft_rerank_maxsim(tokens, 4, 20, &rerank));
    hits = refined(docs, rerank, NULL);
    OK(ft_hits_get(hits, 9, &hit));
    EXPECT(fabs(hit.score - 1.0) < 1e-3);
    ft_hits_free(hits);
    FAILS(BAD, ft_rerank_maxsim(NULL, 4, 20, &rerank));
    OK(ft_rerank_levels_auto(0.9, &rerank));
    hits = refined(docs, rerank, NULL);
    OK(ft_hits_explain(hits, &json));
    EXPECT(strstr(json, "\"schedule\":[{\"dims\":") != NULL);
    ft_string_free(json);
    ft_hits_free(hits);
    OK(ft_rerank_levels_auto(2.0, &rerank));
    OK(ft_search_new(docs, &search));
    refine(search, rerank);
    FAILS(FT_STATUS_BAD_REQUEST, ft_search_run(search, q, DIM, &hits));
    ft_search_free(search);
}

struct scoring {
    size_t asked, released;
    int gives;
};

static int score(void *data, const ft_id *ids, size_t count, double *scores) {
    struct scoring *scoring = data;
    size_t i;
    scoring->asked += count;
    for (i = 0; i < count; i++) {
        if (ids[i].kind == FT_ID_TEXT && strlen(ids[i].text) != ids[i].len) {
            return 2;
        }
        /* The farther the better. */
        scores[i] = ids[i].kind == FT_ID_INT ? (double)ids[i].number : atof(ids[i].text + 4);
    }
    return scoring->gives;
}

static void release(void *data) {
    ((struct scoring *)data)->released++;
}

static void scorers(ft_collection *docs) {
    const float q[DIM] = {0, 0, 0, 1.0f};
    struct scoring scoring = {0, 0, 0};
    ft_scorer scorer;
    ft_rerank *rerank;
    ft_search *search;
    ft_hits *hits;
    ft_hits_info info;
    ft_hit hit;
    memset(&scorer, 0, sizeof scorer);
    scorer.size = sizeof scorer;
    scorer.data = &scoring;
    scorer.release = release;
    scorer.budget = 20;
    scorer.batch = 7;
    FAILS(BAD, ft_rerank_scorer(&scorer, &rerank));
    SAYS("score is NULL");
    scorer.score = score;
    FAILS(BAD, ft_rerank_scorer(&scorer, NULL));
    EXPECT(scoring.released == 0);
    OK(ft_search_new(docs, &search));
    OK(ft_rerank_scorer(&scorer, &rerank));
    refine(search, rerank);
    /* The search has it on. */
    EXPECT(scoring.released == 0);
    OK(ft_search_run(search, q, DIM, &hits));
    OK(ft_hits_get(hits, 0, &hit));
    EXPECT(hit.id.number == 19 && hit.score == 19.0 && hit.stage == FT_STAGE_RERANK);
    info.size = sizeof info;
    OK(ft_hits_read_info(hits, &info));
    EXPECT(scoring.asked == 20 && info.scorer_calls == 20);
    ft_hits_free(hits);
    scoring.gives = 1;
    OK(ft_search_run(search, q, DIM, &hits));
    OK(ft_hits_read_info(hits, &info));
    EXPECT(info.stopped == FT_STOPPED_SCORER_FAILED && ft_hits_problem(hits) != NULL && ft_hits_len(hits) == 10);
    ft_hits_free(hits);
    ft_search_free(search);
    EXPECT(scoring.released == 1);
}

static void *cancel(void *canceller) {
    OK(ft_canceller_cancel(canceller));
    ft_canceller_free(canceller);
    return NULL;
}

static void answers(ft_collection *docs) {
    const float q[DIM] = {50.4f, 0, 0, 1.0f}, other[DIM] = {0, 0, 0, 1.0f};
    ft_search *search;
    ft_answer *answer;
    ft_canceller *canceller;
    ft_hits *revision;
    ft_hits_info info;
    ft_hit hit;
    const size_t *changed;
    pthread_t thread;
    size_t count, revisions = 0;
    OK(ft_search_new(docs, &search));
    OK(ft_search_start(search, q, DIM, &answer));
    ft_search_free(search);
    info.size = sizeof info;
    info.stopped = FT_STOPPED_NOT_YET;
    for (;;) {
        OK(ft_answer_next(answer, &revision));
        if (!revision) {
            break;
        }
        revisions++;
        OK(ft_hits_read_info(revision, &info));
        EXPECT(info.number == revisions && info.settled <= info.len && info.elapsed_ns > 0);
        OK(ft_hits_changed(revision, &changed, &count));
        EXPECT(count <= info.len);
        if (info.stopped != FT_STOPPED_NOT_YET) {
            OK(ft_hits_get(revision, 0, &hit));
            EXPECT(strcmp(hit.id.text, "row-50") == 0 && info.settled == 10);
        }
        ft_hits_free(revision);
    }
    EXPECT(revisions > 0 && info.stopped == FT_STOPPED_COMPLETE);
    OK(ft_answer_page(answer, &revision));
    EXPECT(ft_hits_len(revision) == 10);
    ft_hits_free(revision);
    OK(ft_answer_requery(answer, other, DIM));
    /* Cancelled by another thread before it goes on: the next revision is the last. */
    OK(ft_answer_canceller(answer, &canceller));
    EXPECT(pthread_create(&thread, NULL, cancel, canceller) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    OK(ft_answer_next(answer, &revision));
    EXPECT(revision != NULL);
    OK(ft_hits_read_info(revision, &info));
    EXPECT(info.stopped == FT_STOPPED_CANCELLED);
    ft_hits_free(revision);
    OK(ft_answer_next(answer, &revision));
    EXPECT(revision == NULL);
    ft_answer_free(answer);
}

static int told(void *data, const ft_progress *now) {
    EXPECT(now->part >= 0.0 && now->part <= 1.0);
    return ++*(int *)data < 1000000;
}

static int refuse(void *data, const ft_progress *now) {
    (void)now;
    ++*(int *)data;
    return 0;
}

static void *fails_elsewhere(void *data) {
    FAILS(BAD, ft_database_close(NULL));
    return data;
}

static void upkeep(const char *path, ft_database *db, ft_collection *docs) {
    ft_index index;
    pthread_t thread;
    ft_batch *batch;
    char *json;
    int calls = 0;
    memset(&index, 0, sizeof index);
    index.size = sizeof index;
    index.kind = FT_INDEX_HNSW;
    index.m = 8;
    FAILS(FT_STATUS_CANCELLED, ft_collection_optimize(docs, &index, refuse, &calls));
    EXPECT(calls > 0);
    calls = 0;
    OK(ft_collection_optimize(docs, &index, told, &calls));
    EXPECT(calls > 0);
    index.kind = 9;
    FAILS(BAD, ft_collection_optimize(docs, &index, NULL, NULL));
    OK(ft_database_stats(db, &json));
    EXPECT(strstr(json, "\"hnsw\"") != NULL && strstr(json, "\"rows\":300") != NULL);
    ft_string_free(json);
    OK(ft_batch_new(docs, &batch));
    OK(ft_batch_delete(batch, ft_id_int(1)));
    OK(ft_batch_commit(batch));
    ft_batch_free(batch);
    OK(ft_collection_compact(docs, NULL, NULL));
    OK(ft_database_compact(db, NULL, NULL));
    OK(ft_database_flush(db));
    OK(ft_database_collections(db, &json));
    EXPECT(strcmp(json, "[\"docs\"]") == 0);
    ft_string_free(json);
    calls = 0;
    OK(ft_check(path, told, &calls, &json));
    EXPECT(calls > 0 && strstr(json, "\"sound\":true") != NULL);
    ft_string_free(json);
    FAILS(FT_STATUS_CANCELLED, ft_check(path, refuse, &calls, &json));
    /* What goes wrong in another thread is not said here. */
    OK(ft_database_refresh(db));
    EXPECT(pthread_create(&thread, NULL, fails_elsewhere, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    EXPECT(ft_last_error()[0] == 0);
}

int main(int argc, char **argv) {
    ft_options *options;
    ft_database *db, *reader;
    ft_collection *docs, *again;
    ft_batch *batch;
    const float q[DIM] = {1.0f};
    char *json;
    EXPECT(argc == 2);
    nulls();
    OK(ft_options_new(&options));
    OK(ft_options_background(options, 0));
    OK(ft_options_build(options, 1, 7));
    OK(ft_options_durability(options, FT_DURABILITY_SYNC, 0));
    OK(ft_open(argv[1], options, &db));
    FAILS(BAD, ft_options_durability(options, 8, 0));
    FAILS(BAD, ft_open(argv[1], options, &reader));
    ft_options_free(options);
    docs = create(db, "docs");
    fill(docs);
    errors(db, docs);
    reading(docs);
    searching(docs);
    stages(docs);
    scorers(docs);
    answers(docs);
    upkeep(argv[1], db, docs);
    searching(docs);

    OK(ft_options_new(&options));
    OK(ft_options_read_only(options, 1));
    OK(ft_open(argv[1], options, &reader));
    OK(ft_database_collection(reader, "docs", &again));
    OK(ft_batch_new(again, &batch));
    OK(ft_batch_upsert(batch, ft_id_int(1), q, DIM, NULL));
    FAILS(FT_STATUS_READ_ONLY, ft_batch_commit(batch));
    ft_batch_free(batch);
    ft_collection_free(again);
    ft_database_free(reader);
    ft_options_free(options);

    OK(ft_database_close(db));
    OK(ft_batch_new(docs, &batch));
    OK(ft_batch_upsert(batch, ft_id_int(1), q, DIM, NULL));
    FAILS(FT_STATUS_POISONED, ft_batch_commit(batch));
    ft_batch_free(batch);
    ft_collection_free(docs);
    ft_database_free(db);

    OK(ft_open(argv[1], NULL, &db));
    OK(ft_database_drop_collection(db, "docs"));
    FAILS(FT_STATUS_NOT_FOUND, ft_database_drop_collection(db, "docs"));
    ft_database_free(db);
    OK(ft_repair(argv[1], &json));
    EXPECT(strstr(json, "\"actions\":[]") != NULL);
    ft_string_free(json);
    puts("all expectations met");
    return 0;
}
