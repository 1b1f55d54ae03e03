"""`./run manage translations`: brings django.po up to date with the code and compiles it; says what is untranslated."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from pms import catalog


class Command(BaseCommand):
    help = "Adds new words to the Chinese catalog, drops unused ones, compiles it, and names what is untranslated."

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        folder = Path(settings.BASE_DIR) / catalog.FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / "django.po"
        known = catalog.read(source.read_text()) if source.exists() else {}
        messages = {key: known.get(key, "") for key in catalog.words()}
        source.write_text(catalog.written(messages))
        (folder / "django.mo").write_bytes(catalog.compiled(messages))
        missing = sorted(english for (english, _plural), chinese in messages.items() if not chinese)
        if missing:
            raise CommandError("untranslated:\n" + "\n".join(missing))
        self.stdout.write(f"{len(messages)} messages, all translated")
