/* Credentials that lie on this machine: options, environment, file. See credsrc.h. */
#include "s3/credsrc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "secret/keyring.h"
#include "secret/secret.h"

#define MAX_FILE_BYTES 262144

const char *
mr_credsrc_env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Copies a value whose bytes may all stand in a header. */
static enum mr_err
take(char *to, size_t size, struct mr_str value, const char *what, struct mr_error *err)
{
	if (value.n >= size)
		return mr_fail(err, MR_EINVAL, "%s is longer than %zu bytes", what, size - 1);
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] <= ' ' || value.p[i] > '~')
			return mr_fail(err, MR_EINVAL, "%s has a byte that no key has (byte %zu); "
			    "was it cut or pasted wrongly?", what, i);
	memcpy(to, value.p, value.n);
	to[value.n] = '\0';
	return MR_OK;
}

/* --- options ---------------------------------------------------------------- */

static enum mr_err
unseal_into(char *to, size_t size, const char *text, const char *what, const char *key_file,
    struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_keyring *ring;
	char *plain = mr_secret_alloc(MR_SEALED_MAX_PLAIN);
	enum mr_err e = MR_ENOMEM;
	size_t n = 0;

	if (plain == NULL)
		return mr_fail(err, e, "no memory for credentials");
	if (key_file == NULL)
		e = mr_fail(&why, MR_EINVAL, "there is no key file to open it with");
	else if ((e = mr_keyring_load(&ring, key_file, &why)) == MR_OK) {
		e = mr_unseal(ring, mr_str(text), plain, MR_SEALED_MAX_PLAIN, &n, &why);
		mr_keyring_free(ring);
	}
	if (e == MR_OK)
		e = take(to, size, (struct mr_str){ plain, n }, what, err);
	else
		(void)mr_fail(err, e, "%s: %.400s", what, why.text);
	mr_secret_free(plain);
	return e;
}

enum mr_err
mr_credsrc_options(const struct mr_creds_options *o, struct mr_creds *creds, struct mr_error *err)
{
	enum mr_err e;

	if (o->access_key == NULL && o->secret_key == NULL)
		return MR_OK;
	if (o->access_key == NULL || o->secret_key == NULL)
		return mr_fail(err, MR_EINVAL, "access_key and secret_key: one is set without the "
		    "other");
	if (!mr_sealed_is(mr_str(o->secret_key)))
		return mr_fail(err, MR_EINVAL, "secret_key is not sealed; put what millrace-admin "
		    "seal prints in its place, and make a new key if others could read it");
	if (mr_sealed_is(mr_str(o->access_key)))
		e = unseal_into(creds->access_key, sizeof creds->access_key, o->access_key,
		    "access_key", o->key_file, err);
	else
		e = take(creds->access_key, sizeof creds->access_key, mr_str(o->access_key),
		    "access_key", err);
	if (e == MR_OK)
		e = unseal_into(creds->secret_key, sizeof creds->secret_key, o->secret_key,
		    "secret_key", o->key_file, err);
	creds->source = "the configuration";
	return e;
}

/* --- environment ------------------------------------------------------------ */

enum mr_err
mr_credsrc_environment(const struct mr_creds_options *o, struct mr_creds *creds,
    struct mr_error *err)
{
	/* CLIENT_S3_… are meant for this program alone, so they come first. */
	static const char *const names[][3] = {
		{ "CLIENT_S3_ACCESS_KEY", "CLIENT_S3_SECRET_KEY", "" },
		{ "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN" },
	};
	const char *id, *secret, *token;
	enum mr_err e;

	(void)o;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		id = mr_credsrc_env(names[i][0]);
		secret = mr_credsrc_env(names[i][1]);
		token = mr_credsrc_env(names[i][2]);
		if (id == NULL && secret == NULL)
			continue;
		if (id == NULL || secret == NULL)
			return mr_fail(err, MR_EINVAL, "environment: %s and %s: one is set without "
			    "the other", names[i][0], names[i][1]);
		if ((e = take(creds->access_key, sizeof creds->access_key, mr_str(id), names[i][0],
		    err)) != MR_OK || (e = take(creds->secret_key, sizeof creds->secret_key,
		    mr_str(secret), names[i][1], err)) != MR_OK || (token != NULL &&
		    (e = take(creds->session_token, sizeof creds->session_token, mr_str(token),
		    names[i][2], err)) != MR_OK))
			return e;
		creds->source = "the environment";
		return MR_OK;
	}
	return MR_OK;
}

/* --- shared credentials file ------------------------------------------------ */

static struct mr_str
trim(struct mr_str s)
{
	while (s.n > 0 && memchr(" \t\r", s.p[0], 3) != NULL)
		s = (struct mr_str){ s.p + 1, s.n - 1 };
	while (s.n > 0 && memchr(" \t\r", s.p[s.n - 1], 3) != NULL)
		s.n--;
	return s;
}

/* Whether the line is "[name]", and which name. */
static bool
section(struct mr_str line, struct mr_str *name)
{
	const char *end;

	if (line.n == 0 || line.p[0] != '[')
		return false;
	end = memchr(line.p, ']', line.n);
	*name = trim((struct mr_str){ line.p + 1, end != NULL ? (size_t)(end - line.p) - 1 : 0 });
	return true;
}

static enum mr_err
take_line(struct mr_str line, struct mr_creds *creds, struct mr_error *err)
{
	const struct {
		const char *name;
		char *to;
		size_t size;
	} keys[] = {
		{ "aws_access_key_id", creds->access_key, sizeof creds->access_key },
		{ "aws_secret_access_key", creds->secret_key, sizeof creds->secret_key },
		{ "aws_session_token", creds->session_token, sizeof creds->session_token },
	};
	const char *equals = memchr(line.p, '=', line.n);
	struct mr_str name, value;

	if (equals == NULL)
		return mr_fail(err, MR_EINVAL, "expected key = value");
	name = trim((struct mr_str){ line.p, (size_t)(equals - line.p) });
	value = trim((struct mr_str){ equals + 1, line.n - (size_t)(equals - line.p) - 1 });
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (mr_str_eq(name, mr_str(keys[i].name)))
			return take(keys[i].to, keys[i].size, value, keys[i].name, err);
	return MR_OK;
}

/* Every line of the profile. *found: the section is there. */
static enum mr_err
take_profile(struct mr_str text, const char *profile, const char *path, struct mr_creds *creds,
    bool *found, struct mr_error *err)
{
	struct mr_error why = MR_ERROR_INIT;
	struct mr_str line, name;
	bool inside = false;
	const char *end;
	int number = 0;
	size_t n;

	for (; text.n > 0; text = (struct mr_str){ text.p + n, text.n - n }) {
		end = memchr(text.p, '\n', text.n);
		n = end != NULL ? (size_t)(end - text.p) + 1 : text.n;
		line = trim((struct mr_str){ text.p, end != NULL ? n - 1 : n });
		number++;
		if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (section(line, &name)) {
			inside = mr_str_eq(name, mr_str(profile));
			*found = *found || inside;
		} else if (inside && take_line(line, creds, &why) != MR_OK) {
			return mr_fail(err, MR_EINVAL, "%s:%d: %.400s", path, number, why.text);
		}
	}
	return MR_OK;
}

enum mr_err
mr_credsrc_parse_file(struct mr_str text, const char *profile, const char *path,
    struct mr_creds *creds, struct mr_error *err)
{
	bool found = false;
	enum mr_err e = take_profile(text, profile, path, creds, &found, err);

	if (e != MR_OK || !found)
		return e;
	if (creds->access_key[0] == '\0' || creds->secret_key[0] == '\0')
		return mr_fail(err, MR_EINVAL, "%s: profile %s lacks %s; roles, SSO and "
		    "credential_process are not read from there", path, profile,
		    creds->access_key[0] == '\0' ? "aws_access_key_id" : "aws_secret_access_key");
	return MR_OK;
}

/* Reads the file into *text, MAX_FILE_BYTES of guarded memory. MR_OK, n == 0: there is none. */
static enum mr_err
read_file(const char *path, bool must_exist, char *text, size_t *n, struct mr_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t got = -1;
	struct stat st;

	*n = 0;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES) && !must_exist)
		return MR_OK;
	if (fd < 0)
		return mr_fail(err, MR_EIO, "credentials file %s: %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		got = mr_file_read_all(fd, text, MAX_FILE_BYTES);
	close(fd);
	if (got < 0)
		return mr_fail(err, MR_EIO, "credentials file %s: cannot be read as a file", path);
	*n = (size_t)got;
	if (*n == MAX_FILE_BYTES)
		return mr_fail(err, MR_EINVAL, "credentials file %s: is larger than %d bytes", path,
		    MAX_FILE_BYTES);
	return MR_OK;
}

enum mr_err
mr_credsrc_file(const struct mr_creds_options *o, struct mr_creds *creds, struct mr_error *err)
{
	const char *file = mr_credsrc_env("AWS_SHARED_CREDENTIALS_FILE");
	const char *home = mr_credsrc_env("HOME");
	const char *profile = o->profile != NULL ? o->profile : mr_credsrc_env("AWS_PROFILE");
	bool chosen = profile != NULL;
	char path[4096];
	char *text;
	size_t n;
	enum mr_err e;

	if (file == NULL && home == NULL && !chosen)
		return MR_OK;
	if ((size_t)snprintf(path, sizeof path, "%s%s", file != NULL ? file : home != NULL ? home :
	    "", file != NULL ? "" : "/.aws/credentials") >= sizeof path)
		return mr_fail(err, MR_EINVAL, "the path of the credentials file is too long");
	if ((text = mr_secret_alloc(MAX_FILE_BYTES)) == NULL)
		return mr_fail(err, MR_ENOMEM, "no memory for credentials");
	profile = chosen ? profile : "default";
	e = read_file(path, file != NULL || chosen, text, &n, err);
	if (e == MR_OK)
		e = mr_credsrc_parse_file((struct mr_str){ text, n }, profile, path, creds, err);
	mr_secret_free(text);
	if (e == MR_OK && creds->access_key[0] == '\0' && chosen)
		e = mr_fail(err, MR_EINVAL, "credentials file %s: has no profile %s", path, profile);
	creds->source = "the shared credentials file";
	return e;
}
