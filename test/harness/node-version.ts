/** Long tables that are about the wire and not about Node.js run on one version of it in CI; each names which. */
export const runsOnNode = (major: number): boolean => process.versions.node.startsWith(`${major}.`)
