#!/usr/bin/env node
/* oxlint-disable -- the yardstick of the bars: kept byte for byte as it was when they were set */
// Reference floor: raw node:http pass-through without SDK or schema parsing (fast path only; no re-auth, no GET stream). usage: node floor-raw.mjs URL
import http from 'node:http';
const u = new URL(process.argv[2]), agent = new http.Agent({ keepAlive: true, maxSockets: 256 }); let sid, ver, initId; let buf = [];
const out = (s) => process.stdout.write(s + '\n');
function post(line, m) {
  const body = Buffer.from(line), headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'content-length': body.length };
  if (sid) headers['mcp-session-id'] = sid; if (ver) headers['mcp-protocol-version'] = ver;
  const fail = (e) => { if (m.id !== undefined && m.method) out(JSON.stringify({ jsonrpc: '2.0', id: m.id, error: { code: -32000, message: e } })); };
  const r = http.request({ host: u.hostname, port: u.port, path: u.pathname, method: 'POST', agent, headers }, (res) => {
    if (res.headers['mcp-session-id']) sid = res.headers['mcp-session-id']; const p = [];
    if (/event-stream/.test(res.headers['content-type'] || '')) { let t = ''; res.setEncoding('utf8'); res.on('data', (d) => { t += d; let i; while ((i = t.indexOf('\n\n')) >= 0) { const ev = t.slice(0, i); t = t.slice(i + 2); const d = ev.split('\n').filter((l) => l.startsWith('data:')).map((l) => l.slice(5).trimStart()).join('\n'); if (d) out(d); } }); return; }
    res.on('data', (d) => p.push(d)); res.on('end', () => { if (res.statusCode === 202) return; if (res.statusCode !== 200) return fail(`HTTP ${res.statusCode}`); const s = Buffer.concat(p).toString(); if (m.id === initId && m.method === 'initialize') try { ver = JSON.parse(s).result.protocolVersion; } catch {} out(s); });
  }); r.on('error', (e) => fail(e.message)); r.end(body);
}
process.stdin.on('data', (d) => { let f = 0, i; while ((i = d.indexOf(10, f)) >= 0) { buf.push(d.subarray(f, i)); f = i + 1; const line = Buffer.concat(buf).toString(); buf = []; if (line.trim()) { let m; try { m = JSON.parse(line); } catch { continue; } if (m.method === 'initialize') initId = m.id; post(line, m); } } if (f < d.length) buf.push(d.subarray(f)); });
process.stdin.on('end', () => setTimeout(() => process.exit(0), 50));
