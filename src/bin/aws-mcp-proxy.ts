#!/usr/bin/env node
/**
 * An MCP server on standard input and output that signs each request for AWS. Set up by variables only: MCP_ENDPOINT (the server's
 * address), AWS_PROFILE and AWS_REGION, or the other variables that AWS tools read.
 */
import { runAwsProxy } from "../cli/aws-proxy.ts"
import { live } from "./life.ts"

void live(new URL("../../package.json", import.meta.url), (process) => runAwsProxy("aws-mcp-proxy", process))
