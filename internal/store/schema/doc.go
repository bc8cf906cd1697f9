// Package schema is the database's schema and who may do what in it:
// migrations/*.sql, which goose applies in order ([Migrate]), and grants/*.sql,
// the rights of each part's role ([EnsureRoles]). Only the owner of the schema
// runs it: `healthrecords migrate`, and tests. The programs themselves run the
// statements of package store, and only ask whether the schema is new enough
// ([Check]).
package schema
