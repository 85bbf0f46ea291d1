import { Sandbox } from 'e2b'
const sandbox = await Sandbox.create({ network: { allowPublicTraffic: false } })
console.log(sandbox.trafficAccessToken)
await sandbox.commands.run('python -m http.server 8080', { background: true })
const url = `https://${sandbox.getHost(8080)}`
const response1 = await fetch(url)                       // 403
const response2 = await fetch(url, { headers: { 'e2b-traffic-access-token': sandbox.trafficAccessToken } })   // 200
