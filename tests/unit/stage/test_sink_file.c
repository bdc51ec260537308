/* The sink that writes a file: stage/sink_file.h, in a temporary folder. */
#include "stage/sink_file.h"

#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "../tap.h"

static struct mr_error err;
static char dir[64];

static const char *
in_dir(const char *name)
{
	static char path[8][400];
	static int at;
	char *p = path[at++ % 8];

	snprintf(p, sizeof path[0], "%s/%s", dir, name);
	return p;
}

/* Entries of a folder, without . and .. */
static int
count(const char *folder)
{
	DIR *d = opendir(folder);
	int n = -2;

	if (d == NULL)
		bail("cannot open %s", folder);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static int
mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? (int)(st.st_mode & 07777) : -1;
}

static void
is_file(const char *path, const char *want)
{
	char text[200];
	FILE *f = fopen(path, "r");
	size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;

	text[n] = '\0';
	if (f != NULL)
		fclose(f);
	is_str(f != NULL ? mr_str(text) : MR_STR_NULL, want, "what is in the file");
}

static struct mr_stage *
sink_open(const char *key)
{
	err = (struct mr_error)MR_ERROR_INIT;
	return mr_sink_file_new(dir, key, NULL, &err);
}

static void
test_good(void)
{
	struct mr_stage *s = sink_open("a/date=2025-06-22/1.csv");

	ok(s != NULL, "opened");
	is_int(access(in_dir("a/date=2025-06-22/1.csv"), F_OK), -1, "not there yet");
	is_int(count(in_dir("a/date=2025-06-22")), 1, "but for a temporary file");
	is_int(access(in_dir("a/date=2025-06-22/.1.csv.part"), F_OK), 0, "which is hidden");
	mr_stage_bytes(s, MR_STR_LIT("hello "), &err);
	mr_stage_bytes(s, MR_STR_LIT("world"), &err);
	is_int(mr_stage_finish(s, &err), MR_OK, "finish");
	is_int(s->bytes, 11, "bytes");
	mr_stage_free(s);
	is_file(in_dir("a/date=2025-06-22/1.csv"), "hello world");
	is_int(count(in_dir("a/date=2025-06-22")), 1, "nothing beside it");
	is_int(mode_of(in_dir("a/date=2025-06-22/1.csv")), 0640, "the file's mode");
	is_int(mode_of(in_dir("a")), 0750, "a folder's mode");

	s = sink_open("a/date=2025-06-22/1.csv");
	mr_stage_bytes(s, MR_STR_LIT("again"), &err);
	is_file(in_dir("a/date=2025-06-22/1.csv"), "hello world");
	is_int(mr_stage_finish(s, &err), MR_OK, "finish");
	mr_stage_free(s);
	is_file(in_dir("a/date=2025-06-22/1.csv"), "again");
	s = sink_open("empty");
	is_int(mr_stage_finish(s, &err), MR_OK, "an empty file without folders");
	mr_stage_free(s);
	is_file(in_dir("empty"), "");
}

/* Finishes n files of a group, each in a folder of its own. */
static void
fill(struct mr_filegroup *group, const char *folder, size_t n)
{
	char key[64];

	for (size_t i = 0; i < n; i++) {
		struct mr_stage *s;

		snprintf(key, sizeof key, "%s/%zu/file", folder, i);
		s = mr_sink_file_new(dir, key, group, &err);
		if (s == NULL || mr_stage_bytes(s, mr_str(key), &err) != MR_OK ||
		    mr_stage_finish(s, &err) != MR_OK)
			bail("%s", err.text);
		mr_stage_free(s);
	}
}

/* A few files, which are synced one by one, and as many as there is room for. */
static void
test_group(void)
{
	static const size_t sizes[] = { 1, 3, MR_FILEGROUP_MOST };
	struct mr_filegroup group = { .n = 0 };
	char folder[32], path[64];

	for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
		snprintf(folder, sizeof folder, "group%zu", k);
		fill(&group, folder, sizes[k]);
		snprintf(path, sizeof path, "%s/0/file", folder);
		is_int(access(in_dir(path), F_OK), -1, "finished, and without its name");
		is_int(mr_filegroup_commit(&group, &err), MR_OK, "commit");
		is_int((int64_t)group.n, 0, "the group is empty");
		is_file(in_dir(path), path);
		snprintf(path, sizeof path, "%s/%zu/file", folder, sizes[k] - 1);
		is_file(in_dir(path), path);
		snprintf(path, sizeof path, "%s/%zu", folder, sizes[k] - 1);
		is_int(count(in_dir(path)), 1, "nothing beside it");
	}
	fill(&group, "dropped", 9);
	mr_filegroup_drop(&group);
	is_int(count(in_dir("dropped/0")) + count(in_dir("dropped/8")), 0, "drop leaves nothing");
	fill(&group, "gone", 9);
	if (unlink(in_dir("gone/5/.file.part")) != 0)
		bail("cannot remove a file");
	is_int(mr_filegroup_commit(&group, &err), MR_EIO, "one cannot be given its name");
	is_part(err.text, "gone/5/file: cannot give it its name", "and which");
	is_int(count(in_dir("gone/8")), 0, "those behind it are removed");
}

static void
test_abort(void)
{
	struct mr_stage *s = sink_open("b/x");

	mr_stage_bytes(s, MR_STR_LIT("text"), &err);
	mr_stage_abort(s);
	is_int(count(in_dir("b")), 0, "abort removes what was written");
	is_int(mr_stage_bytes(s, MR_STR_LIT("text"), &err), MR_EINVAL, "nothing may follow");
	mr_stage_free(s);
	s = sink_open("b/x");
	mr_stage_free(s);
	is_int(count(in_dir("b")), 0, "so does free");
}

/* What a killed process left is in nobody's way, even as a link to elsewhere. */
static void
test_left_over(void)
{
	struct mr_stage *s;
	FILE *f = fopen(in_dir("victim"), "w");

	if (f == NULL || mkdir(in_dir("c"), 0755) != 0 ||
	    symlink(in_dir("victim"), in_dir("c/.x.part")) != 0)
		bail("cannot prepare");
	fputs("keep", f);
	fclose(f);
	s = sink_open("c/x");
	ok(s != NULL, "opened over a left-over");
	mr_stage_bytes(s, MR_STR_LIT("new"), &err);
	is_int(mr_stage_finish(s, &err), MR_OK, "finish");
	mr_stage_free(s);
	is_file(in_dir("c/x"), "new");
	is_file(in_dir("victim"), "keep");
	is_int(count(in_dir("c")), 1, "the left-over is gone");
}

static void
test_keys(void)
{
	static const char *const bad[] = { "", "/", "/x", "x/", "a//b", ".", "..", "../x", "a/../b",
		"a/./b", "a/.." };
	static const char *const good[] = { "...", "..x", "a.b", "d e/=&?" };
	char longest[300];
	struct mr_stage *s;

	for (size_t i = 0; i < ROWS(bad); i++) {
		s = sink_open(bad[i]);
		ok(s == NULL, "the key \"%s\" is refused", bad[i]);
		is_int(err.code, MR_EINVAL, "its code");
		is_part(err.text, "empty, too long, or leads upwards", "its reason");
		mr_stage_free(s);
	}
	for (size_t i = 0; i < ROWS(good); i++) {
		s = sink_open(good[i]);
		ok(s != NULL && mr_stage_finish(s, &err) == MR_OK, "the key \"%s\"", good[i]);
		mr_stage_free(s);
		is_int(access(in_dir(good[i]), F_OK), 0, "is there");
	}
	memset(longest, 'n', sizeof longest);
	longest[249] = '\0';
	s = sink_open(longest);
	ok(s != NULL && mr_stage_finish(s, &err) == MR_OK, "a name of 249 bytes");
	mr_stage_free(s);
	longest[249] = 'n';
	longest[250] = '\0';
	ok(sink_open(longest) == NULL, "a name of 250 bytes");
}

static void
test_errors(void)
{
	struct mr_stage *s;
	struct rlimit old, small = { 1000, 1000 };
	char block[3000] = { 0 };

	ok(mr_sink_file_new(in_dir("missing"), "x", NULL, &err) == NULL, "a directory that is not there");
	is_int(err.code, MR_EIO, "its code");
	is_part(err.text, "missing: cannot be opened as a directory: No such file", "its reason");
	is_int(access(in_dir("missing"), F_OK), -1, "is not made");
	ok(mr_sink_file_new(in_dir("victim"), "x", NULL, &err) == NULL, "a file as the directory");
	ok(sink_open("victim/x") == NULL, "a file in the place of a folder");
	is_part(err.text, "victim/x: cannot open its folder", "names the key");
	if (symlink(dir, in_dir("link")) != 0)
		bail("symlink");
	ok(sink_open("link/x") == NULL, "a link in the place of a folder");

	mkdir(in_dir("taken"), 0755);
	s = sink_open("taken");
	is_int(mr_stage_finish(s, &err), MR_EIO, "a folder has the file's name");
	is_part(err.text, "taken: cannot give it its name", "its reason");
	is_int(access(in_dir(".taken.part"), F_OK), 0, "the temporary file waits for abort");
	mr_stage_abort(s);
	is_int(access(in_dir(".taken.part"), F_OK), -1, "which removes it");
	mr_stage_free(s);

	/* A limit on file sizes stands for the full disk. */
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	s = sink_open("full");
	setrlimit(RLIMIT_FSIZE, &small);
	is_int(mr_stage_bytes(s, (struct mr_str){ block, sizeof block }, &err), MR_EIO,
	    "more than fits");
	setrlimit(RLIMIT_FSIZE, &old);
	is_part(err.text, "full: cannot write it: File too large", "its reason");
	mr_stage_free(s);
	is_int(access(in_dir("full"), F_OK), -1, "no file");
	is_int(access(in_dir(".full.part"), F_OK), -1, "nor a part of it");
}

static bool
belongs_to(const char *path, uid_t uid, gid_t gid)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_uid == uid && st.st_gid == gid;
}

static void
test_owner(void)
{
	struct mr_stage *s;

	if (geteuid() != 0) {
		skip("what root makes", "only root can make it");
		return;
	}
	if (mkdir(in_dir("theirs"), 0755) != 0 || chown(in_dir("theirs"), 12345, 23456) != 0)
		bail("a folder of another user: %s", strerror(errno));
	s = mr_sink_file_new(in_dir("theirs"), "a/file", NULL, &err);
	if (s == NULL)
		bail("%s", err.text);
	is_int(mr_stage_finish(s, &err), MR_OK, "root writes a file into another user's folder");
	mr_stage_free(s);
	ok(belongs_to(in_dir("theirs/a"), 12345, 23456), "the folder in it is that user's");
	ok(belongs_to(in_dir("theirs/a/file"), 12345, 23456), "and so is the file");
}

static void
remove_dir(void)
{
	char command[100];

	snprintf(command, sizeof command, "rm -rf %s", dir);
	if (system(command) != 0)
		diag("cannot remove %s", dir);
}

int
main(void)
{
	umask(027);
	make_temp_dir(dir, sizeof dir, "sink");
	atexit(remove_dir);
	test_good();
	test_group();
	test_abort();
	test_left_over();
	test_keys();
	test_errors();
	test_owner();
	return done();
}
