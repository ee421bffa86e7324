#!/usr/bin/env node
/**
 * An MCP server on standard input and output that signs each request for AWS as a role. Set up by variables only: MCP_ENDPOINT (the
 * server's address), ASSUME_ROLE_ARN, AWS_REGION, and the variables that AWS tools read for who assumes the role.
 */
import { runAwsProxy } from "../cli/aws-proxy.ts"
import { live } from "./life.ts"

void live(new URL("../../package.json", import.meta.url), (process) => runAwsProxy("aws-role-mcp-proxy", process))
