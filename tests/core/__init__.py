"""The core layer: settings, money, accounts, database, migrations, lock."""
