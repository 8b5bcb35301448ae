// npm runs this after `npm ci`. Builds when the compilers are there; an install without them (`--omit=dev`) uses the
// dist/ that came with the package.
import { createRequire } from 'node:module';

const { resolve } = createRequire(import.meta.url);
const isInstalled = (name) => {
  try {
    return Boolean(resolve(`${name}/package.json`));
  } catch {
    return false;
  }
};

if (isInstalled('typescript') && isInstalled('assemblyscript')) {
  const { build } = await import('./build.mjs');
  process.exitCode = build() ? 0 : 1;
}
