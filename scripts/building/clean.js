import { rmSync } from 'node:fs';

/** Removes what the last build left, so that nothing stale is published. */
for (const folder of ['build/js', 'dist'])
  rmSync(new URL(`../../${folder}`, import.meta.url), { recursive: true, force: true });
