"""Words for the made-up ledger: prompts as people really paste them. Pure data: no I/O, no clock, no logging."""

from __future__ import annotations

CANARY_PREFIX = "CANARY-"
"""Begins a marker in every private text, so that a test can look for it anywhere it must not be."""

OPENINGS = (
    "Please fix the failing test and explain what was wrong.",
    "Refactor this module so that the parser has no side effects, then update the tests.",
    'The build is "green" locally and red in CI, find out why. Logs are below.',
    "Écris-moi une fonction qui regroupe les dépenses par mois, sans dépendance. Merci d'avance !",
    "Peux-tu corriger l'accent dans « Dernière importation » et vérifier l'affichage à 320 px ?",
    "この関数のテストを書いてください。境界値も忘れずに。",
    "请帮我优化这个查询，它在十万行数据上太慢了。",  # noqa: RUF001 - Chinese has its own comma
    "이 오류의 원인을 찾아 주세요.",
    "أصلح الخطأ في صفحة تسجيل الدخول من فضلك",
    "תקן בבקשה את כיוון הטקסט בטבלה",
    "Make the landing page pop 🚀✨ but keep it accessible 🙏🏽 (family: 👨‍👩‍👧‍👦)",
    "Warum ist die Größe der Datei doppelt so groß? Bitte prüfen: straße.csv",
    "write a poem",
    "continue",
    "Add a migration that adds the column, backfills it in batches and can be rolled back.",
    "Explain C:\\Users\\me\\build\\out.log and why the path has\ttabs in it.",
)

CODE = (
    '\n```python\ndef total(rows: list[dict[str, float]]) -> float:\n    return sum(r["cost"] for r in rows)\n```\n',
    "\n```ts\nexport const sum = (xs: number[]) => xs.reduce((a, b) => a + b, 0)\n// <b>&amp;</b> ${value}\n```\n",
    "\n```sql\nSELECT model, SUM(cost) FROM usage WHERE ts >= ? GROUP BY model ORDER BY 2 DESC;\n```\n",
    '\n```json\n{"id": "1", "nested": [1, 2, {"deep": "\\u00e9 \\"quoted\\""}], "none": null}\n```\n',
    "\n```rust\nfn main() -> Result<(), Box<dyn Error>> {\n\tprintln!(\"{:?}\", read('\\n')?);\n\tOk(())\n}\n```\n",
    "\n```html\n<script>alert('x')</script><table dir=\"rtl\"><tr><td>&nbsp;</td></tr></table>\n```\n",
    "\n--- a/src/app.py\n+++ b/src/app.py\n@@ -1,4 +1,4 @@\n-import os\n+import sys\n def main():\n     return 0\n",
)

LOG_LINES = (
    '2026-02-11T09:14:03.118Z ERROR [worker-3] request failed: ECONNRESET at TLSSocket.onend (net:737:12) {"n":7}\n',
    "Traceback (most recent call last):\n  File \"main.py\", line 42, in <module>\n    run()\nKeyError: 'totalCost'\n",
    "npm ERR! code ERESOLVE\nnpm ERR! ERESOLVE unable to resolve the tree\nnpm ERR! peer react@^18 from app@1.0\n",
    "\u001b[31mFAIL\u001b[0m src/ledger.test.ts \u203a parses an empty file (5 ms)\r\n",
    "[ 99%] Linking CXX executable server\n/usr/bin/ld: undefined reference to `vtable for Ledger'\n",
    "WARN  slow query (1843 ms): SELECT * FROM events WHERE payload LIKE '%error%' -- rows=120331\n",
    "    at async Promise.all (index 3)\n    at async Object.handler (/srv/app/dist/index.js:1:10493)\n",
)

SECRETS = (
    "\nANTHROPIC_API_KEY=sk-ant-{canary}\n",
    '\n"password": "hunter2-{canary}",\n',
    "\nDATABASE_URL=postgres://admin:{canary}@db.internal:5432/prod\n",
    "\nAuthorization: Bearer {canary}\n",
    "\nMon numéro de carte : 4111 1111 1111 1111 ({canary})\n",
)

PROJECTS = ("blog", "api-gateway", "données", "mobile app", "infra", "観測", "thesis", "shop-frontend")

CHECKPOINT_ERRORS = (
    "Checkpoints initialization timed out in {path}: fatal: not a git repository ({canary})",
    "Failed to create shadow git for {path}: EACCES: permission denied ({canary})",
)
