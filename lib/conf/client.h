/*
 * [client NAME] and [backup]: where events are exported to. A part of the
 * configuration (conf.h) that conf.c alone calls.
 */
#ifndef MR_CONF_CLIENT_H
#define MR_CONF_CLIENT_H

#include "conf/value.h"

#define MR_CONF_CLIENT_SECTION "client NAME" /* as documented */

extern const struct mr_conf_choice mr_conf_path_styles[];

#define MR_CONF_MiB (INT64_C(1) << 20)

/* The keys of a struct mr_conf_bucket that is the member `at` of `type`. */
#define MR_CONF_BUCKET_KEYS(section, type, at) \
	{ section, "bucket", MR_T_TEXT, offsetof(type, at.bucket), "", 0, 0, NULL, NULL }, \
	{ section, "prefix", MR_T_TEXT, offsetof(type, at.prefix), "", 0, 0, NULL, NULL }, \
	{ section, "region", MR_T_TEXT, offsetof(type, at.region), "", 0, 0, NULL, NULL }, \
	{ section, "endpoint", MR_T_TEXT, offsetof(type, at.endpoint), "", 0, 0, NULL, NULL }, \
	{ section, "path_style", MR_T_CHOICE, offsetof(type, at.path_style), "auto", 0, 0, \
	    mr_conf_path_styles, NULL }, \
	{ section, "insecure", MR_T_BOOL, offsetof(type, at.insecure), "off", 0, 0, NULL, NULL }, \
	{ section, "ca_file", MR_T_TEXT, offsetof(type, at.ca_file), "", 0, 0, NULL, NULL }, \
	{ section, "access_key", MR_T_TEXT, offsetof(type, at.access_key), "", 0, 0, NULL, NULL }, \
	{ section, "secret_key", MR_T_TEXT, offsetof(type, at.secret_key), "", 0, 0, NULL, NULL }, \
	{ section, "profile", MR_T_TEXT, offsetof(type, at.profile), "", 0, 0, NULL, NULL }, \
	{ section, "role_arn", MR_T_TEXT, offsetof(type, at.role_arn), "", 0, 0, NULL, NULL }, \
	{ section, "external_id", MR_T_TEXT, offsetof(type, at.external_id), "", 0, 0, NULL, NULL }, \
	{ section, "sts_endpoint", MR_T_TEXT, offsetof(type, at.sts_endpoint), "", 0, 0, NULL, NULL }, \
	{ section, "sse", MR_T_TEXT, offsetof(type, at.sse), "", 0, 0, NULL, NULL }, \
	{ section, "kms_key_id", MR_T_TEXT, offsetof(type, at.kms_key_id), "", 0, 0, NULL, NULL }, \
	{ section, "storage_class", MR_T_TEXT, offsetof(type, at.storage_class), "", 0, 0, NULL, \
	    NULL }, \
	{ section, "tags", MR_T_TEXT, offsetof(type, at.tags), "", 0, 0, NULL, NULL }, \
	{ section, "acl", MR_T_TEXT, offsetof(type, at.acl), "", 0, 0, NULL, NULL }, \
	{ section, "requester_pays", MR_T_BOOL, offsetof(type, at.requester_pays), "off", 0, 0, NULL, \
	    NULL }, \
	{ section, "object_lock", MR_T_CHOICE, offsetof(type, at.object_lock), "off", 0, 0, \
	    mr_object_lock_words, NULL }, \
	{ section, "object_lock_days", MR_T_INT, offsetof(type, at.object_lock_days), "0", 0, 36500, \
	    NULL, NULL }, \
	{ section, "legal_hold", MR_T_BOOL, offsetof(type, at.legal_hold), "off", 0, 0, NULL, NULL }, \
	{ section, "checksum", MR_T_CHOICE, offsetof(type, at.checksum), "auto", 0, 0, \
	    mr_checksum_words, NULL }, \
	{ section, "if_none_match", MR_T_BOOL, offsetof(type, at.if_none_match), "off", 0, 0, NULL, \
	    NULL }, \
	{ section, "part_size", MR_T_SIZE, offsetof(type, at.part_bytes), "8M", 5 * MR_CONF_MiB, \
	    64 * MR_CONF_MiB, NULL, NULL }

/* Sets a key of [client NAME]; the section is made when it is new. The error names the key. */
enum mr_err mr_conf_client_take(struct mr_conf *conf, const char *client, const char *key,
    const char *value, struct mr_error *err);

/* CLIENT_S3_BUCKET and EXPORT_FORMAT, which are the client `default`'s. */
enum mr_err mr_conf_client_environment(struct mr_conf *conf, struct mr_error *err);

/* What no single key can tell; fills what backups inherit from [backup]. */
enum mr_err mr_conf_client_check(struct mr_conf *conf, struct mr_error *err);

/* Wipes and releases all clients. */
void mr_conf_client_free(struct mr_conf *conf);

void mr_conf_client_each_key(void (*visit)(void *arg, const char *section, const char *key,
    const char *default_text), void *arg);

#endif
