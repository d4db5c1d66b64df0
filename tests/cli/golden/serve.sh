#!/bin/sh
# Written by `aico service install`, removed by `aico service uninstall`.
umask 077
export AICO_PORT=9000
export CLINE_DATA_DIR='/home/ada/Cline data'
exec /home/ada/.local/share/pipx/venvs/ai-cost-observer/bin/python -P -m aico serve
