/*
 * Filling a batch (event.h) with rows and refusals, whichever form they came in. Pure.
 */
#ifndef MR_FORMAT_BATCH_H
#define MR_FORMAT_BATCH_H

#include "format/event.h"
#include "format/json.h"

/* A row with what comes from the request alone. */
struct mr_event mr_batch_row(const struct mr_event_context *ctx);

/* Sets n_members, and makes room for so many refusals and rows, and one row more. Or MR_ENOMEM. */
enum mr_err mr_batch_room(struct mr_arena *arena, struct mr_batch *batch, size_t n_members,
    struct mr_error *err);

/* Adds a row, for which there is room, and counts its bytes. */
void mr_batch_add(struct mr_batch *batch, const struct mr_event *row);

/* The same of a refusal. MR_ENOMEM when one of the texts has p == NULL, for which there was none. */
enum mr_err mr_batch_reject(struct mr_batch *batch, int64_t index, struct mr_str payload,
    struct mr_str reason, struct mr_error *err);

/* Whether a row is to be stored once by its messageId. */
bool mr_batch_has_message_ids(const struct mr_batch *batch);

/*
 * MR_EINVAL for a number that is too large among the nodes from..to, the subtree `except`
 * (-1: none) apart.
 */
enum mr_err mr_batch_check_numbers(const struct mr_json *json, int from, int to, int except,
    struct mr_error *err);

#endif
