# Turns NNN-name.sql files into rows of a C table: { NNN, "name", "text" }.
FNR == 1 {
	if (NR > 1)
		print "\t},"
	file = FILENAME
	sub(/^.*\//, "", file)
	sub(/\.sql$/, "", file)
	printf "\t{ %d, \"%s\",\n", substr(file, 1, 3) + 0, file
}
{
	gsub(/\\/, "\\\\")
	gsub(/"/, "\\\"")
	printf "\t  \"%s\\n\"\n", $0
}
END {
	print "\t},"
}
