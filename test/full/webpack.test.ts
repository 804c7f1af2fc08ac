import { minifiedByWebpack } from '../package/bundlers.js';
import { describeBundle, users } from '../package/users.js';

// What webpack makes by default, which takes 20 s of processor time; test/package/bundlers.test.ts has the rest.
describeBundle('webpack, minified', minifiedByWebpack, users());
