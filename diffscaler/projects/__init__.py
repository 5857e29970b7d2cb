"""Films: a script, its board, its cast and the takes of its shots, kept in the studio's database.

The edits are functions from one project to the next; what touches a disk or the queue says so in its name.
"""
