/** For `--import` in a thread: tsx does not follow into threads by itself before Node 22. */

import { register } from 'tsx/esm/api'

register()
