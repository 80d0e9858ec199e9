/** `npm run soak -- --minutes 10` with real processes, `npm run soak -- --virtual --calls 1000000 --seed 1` on a virtual network. */

if (process.argv.includes('--virtual')) await import('./virtual-run.js')
else await import('./processes.js')
