/* The README's example in C: write two rows, find the nearest that passes a filter, and watch an answer settle. */
#include <foretaste.h>
#include <stdio.h>
#include <stdlib.h>

static void check(ft_status status) {
    if (status != FT_STATUS_OK) {
        fprintf(stderr, "%s: %s\n", ft_status_name(status), ft_last_error());
        exit(1);
    }
}

int main(int argc, char **argv) {
    const float first[3] = {0.9f, 0.1f, 0.0f}, second[3] = {0.0f, 0.8f, 0.6f}, query[3] = {1.0f, 0.0f, 0.0f};
    ft_database *db;
    ft_schema *schema;
    ft_collection *docs;
    ft_batch *batch;
    ft_search *search;
    ft_answer *answer;
    ft_hits *revision;
    ft_hit hits[10];
    char text[10 * 1025];
    size_t count, i;

    check(ft_open(argc > 1 ? argv[1] : "notes.ft", NULL, &db));
    check(ft_schema_new(3, FT_METRIC_COSINE, &schema));
    check(ft_database_create_collection(db, "docs", schema, &docs));

    check(ft_batch_new(docs, &batch)); /* one batch is one atomic, durable commit */
    check(ft_batch_upsert(batch, ft_id_text("id-1"), first, 3, "{\"lang\": \"en\"}"));
    check(ft_batch_upsert(batch, ft_id_text("id-2"), second, 3, NULL));
    check(ft_batch_commit(batch)); /* returns after the data is safe */

    check(ft_search_new(docs, &search));
    check(ft_search_filter(search, "lang = 'en'"));
    check(ft_search_into(search, query, 3, hits, 10, &count, text, sizeof text));
    for (i = 0; i < count; i++) {
        printf("%s at %.3f\n", hits[i].id.text, hits[i].distance);
    }

    check(ft_search_start(search, query, 3, &answer));
    for (check(ft_answer_next(answer, &revision)); revision; check(ft_answer_next(answer, &revision))) {
        printf("%zu hits\n", ft_hits_len(revision));
        ft_hits_free(revision);
    }
    ft_answer_free(answer);
    ft_search_free(search);
    ft_batch_free(batch);
    ft_collection_free(docs);
    ft_schema_free(schema);
    ft_database_free(db);
    return 0;
}
