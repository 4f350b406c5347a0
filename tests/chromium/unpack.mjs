// Unpack the browser beside the package, once, and print the path of a script that starts it.
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const place = join(dirname(fileURLToPath(import.meta.url)), "node_modules", ".unpacked");
const start = join(place, "start");
// It is built for the libraries of one Linux distribution, brings those with it, and finds them by these two variables.
const script = `#!/bin/sh
here=$(dirname "$0")
export LD_LIBRARY_PATH="$here/al2023/lib" FONTCONFIG_PATH="$here/fonts"
exec "$here/chromium" "$@"
`;
// Its own list of folders names fixed places; without a font a page has no text and no height.
const fonts = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`;

if (process.platform !== "linux" || process.arch !== "x64") {
  console.error("The browser from npm runs on Linux on x86-64 only.");
  process.exit(1);
}
if (!existsSync(start)) {
  // Unpacked beside its place and renamed: a half-unpacked browser is never taken for a whole one.
  const unpacking = `${place}.${process.pid}`;
  mkdirSync(unpacking, { recursive: true });
  process.env.TMPDIR = unpacking;
  process.env.AWS_EXECUTION_ENV = "AWS_Lambda_nodejs20.x";
  const { default: chromium } = await import("@sparticuz/chromium");
  await chromium.executablePath();
  writeFileSync(join(unpacking, "fonts", "fonts.conf"), fonts);
  writeFileSync(join(unpacking, "start"), script, { mode: 0o755 });
  rmSync(place, { recursive: true, force: true });
  renameSync(unpacking, place);
}
console.log(start);
