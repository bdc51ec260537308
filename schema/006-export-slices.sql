-- The rows of one site and hour in an export batch are a slice of it; a group is what shares a
-- commit.

ALTER TABLE export_groups RENAME TO export_slices;
ALTER INDEX export_groups_pkey RENAME TO export_slices_pkey;
