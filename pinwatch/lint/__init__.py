"""The SQL in files of an application: scripts, migrations, and Python source."""
