import packageJson from 'embed:package.json';
import { decodeBase64 } from '../base/base64.js';

/** The version of this package, taken from package.json when it was built. */
export function version(): string {
  return JSON.parse(new TextDecoder().decode(decodeBase64(packageJson))).version;
}
