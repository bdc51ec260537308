/* Who holds what: see holders.h. */
#include "retention/holders.h"

#include <stdlib.h>

#include "retention/claims.h"

enum { CLIENT, DESTINATION, KNOWN, PARTITIONS, ROWS, BYTES, SINCE, AGE, ERROR };

static const char tail_sql[] =
    "SELECT d.client, d.destination, d.known::int, count(*), sum(h.rows), "
    "sum(p.bytes * h.rows / greatest(k.rows, 1))::bigint, "
    "to_char(min(p.low) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI\"Z\"'), "
    "extract(epoch FROM now() - min(p.high))::bigint, d.error FROM h JOIN d USING (client, destination) "
    "JOIN events_counted k ON k.partition = h.name JOIN (SELECT name, low, high, "
    "pg_total_relation_size(partition) AS bytes FROM events_partitions) p USING (name) "
    "GROUP BY d.client, d.destination, d.known, d.error ORDER BY min(p.low), 1, 2 DESC";

static struct mr_holder
read_holder(struct mr_db_rows *r, int row)
{
	return (struct mr_holder){ .client = mr_db_value(r, row, CLIENT),
		.destination = mr_db_value(r, row, DESTINATION), .known = mr_db_int(r, row, KNOWN) != 0,
		.partitions = mr_db_int(r, row, PARTITIONS), .rows = mr_db_int(r, row, ROWS),
		.bytes = mr_db_int(r, row, BYTES), .since = mr_db_value(r, row, SINCE),
		.age_s = mr_db_int(r, row, AGE), .error = mr_db_value(r, row, ERROR) };
}

enum mr_err
mr_holders_load(struct mr_db *db, const struct mr_conf *conf, struct mr_holders *holders,
    struct mr_error *err)
{
	enum mr_err e;

	*holders = (struct mr_holders){ .items = NULL };
	if ((e = mr_claims_ask(db, conf, tail_sql, &holders->rows, err)) != MR_OK)
		return e;
	holders->n = (size_t)mr_db_n_rows(holders->rows);
	if ((holders->items = calloc(holders->n + 1, sizeof *holders->items)) == NULL) {
		mr_holders_free(holders);
		return mr_fail(err, MR_ENOMEM, "no memory");
	}
	for (size_t i = 0; i < holders->n; i++)
		holders->items[i] = read_holder(holders->rows, (int)i);
	return MR_OK;
}

void
mr_holders_free(struct mr_holders *holders)
{
	free(holders->items);
	mr_db_rows_free(holders->rows);
	*holders = (struct mr_holders){ .items = NULL };
}
