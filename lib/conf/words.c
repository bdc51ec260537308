/* The words for formats, compressions and checksums: see words.h. */
#include "conf/words.h"

const struct mr_conf_choice mr_format_words[] = { { "ndjson", MR_FORMAT_NDJSON },
	{ "json", MR_FORMAT_NDJSON }, { "csv", MR_FORMAT_CSV }, { "parquet", MR_FORMAT_PARQUET },
	{ NULL, 0 } };
const struct mr_conf_choice mr_compression_words[] = { { "none", MR_COMPRESSION_NONE },
	{ "gzip", MR_COMPRESSION_GZIP }, { "zstd", MR_COMPRESSION_ZSTD }, { NULL, 0 } };
const struct mr_conf_choice mr_checksum_words[] = { { "auto", MR_CHECKSUM_AUTO },
	{ "sha256", MR_CHECKSUM_SHA256 }, { "crc32c", MR_CHECKSUM_CRC32C }, { "md5", MR_CHECKSUM_MD5 },
	{ "none", MR_CHECKSUM_NONE }, { NULL, 0 } };
const struct mr_conf_choice mr_object_lock_words[] = { { "off", MR_LOCK_OFF },
	{ "governance", MR_LOCK_GOVERNANCE }, { "compliance", MR_LOCK_COMPLIANCE }, { NULL, 0 } };
const struct mr_conf_choice mr_codec_words[] = { { "zstd", MR_CODEC_ZSTD },
	{ "gzip", MR_CODEC_GZIP }, { "snappy", MR_CODEC_SNAPPY }, { "none", MR_CODEC_NONE },
	{ NULL, 0 } };

static const struct mr_conf_choice *
find(const struct mr_conf_choice *words, struct mr_str word)
{
	while (words->text != NULL && !mr_str_eq(mr_str(words->text), word))
		words++;
	return words->text != NULL ? words : NULL;
}

bool
mr_format_parse(struct mr_str word, enum mr_format *format)
{
	const struct mr_conf_choice *found = find(mr_format_words, word);

	if (found != NULL)
		*format = (enum mr_format)found->value;
	return found != NULL;
}

bool
mr_compression_parse(struct mr_str word, enum mr_compression *compression)
{
	const struct mr_conf_choice *found = find(mr_compression_words, word);

	if (found != NULL)
		*compression = (enum mr_compression)found->value;
	return found != NULL;
}

bool
mr_codec_parse(struct mr_str word, enum mr_codec *codec)
{
	const struct mr_conf_choice *found = find(mr_codec_words, word);

	if (found != NULL)
		*codec = (enum mr_codec)found->value;
	return found != NULL;
}
