// One event of the audit log in full.
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import CopyToClipboard from '@cloudscape-design/components/copy-to-clipboard';
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs';
import Modal from '@cloudscape-design/components/modal';
import SpaceBetween from '@cloudscape-design/components/space-between';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import type { AuditEvent } from '../api/generated.ts';
import { eventTime, recordOf, serviceOf, subjectOf } from './audit_events.ts';

export function AuditEventDetails({ event, onClose }: { event: AuditEvent; onClose(): void }) {
  const record = recordOf(event);
  const text = record ? JSON.stringify(record, null, 2) : (event.Record ?? '');
  const member = (name: string) => (typeof record?.[name] === 'string' && record[name] ? (record[name] as string) : '–');
  return (
    <Modal
      visible
      size="large"
      header={event.EventName}
      closeAriaLabel="Close"
      onDismiss={onClose}
      footer={
        <Box float="right">
          <Button onClick={onClose}>Close</Button>
        </Box>
      }
    >
      <SpaceBetween size="m">
        {event.ErrorCode && (
          <Alert type="error" header={event.ErrorCode}>
            {member('errorMessage')}
          </Alert>
        )}
        <KeyValuePairs
          columns={3}
          items={[
            { label: 'Time', value: eventTime(event.EventTime) },
            { label: 'User', value: event.UserName || '–' },
            { label: 'Service', value: serviceOf(event) },
            { label: 'Result', value: <StatusIndicator type={event.ErrorCode ? 'error' : 'success'}>{event.ErrorCode ? 'Error' : 'Success'}</StatusIndicator> },
            { label: 'About', value: subjectOf(event) || '–' },
            { label: 'Kind', value: event.ReadOnly ? 'Changes nothing' : 'Change' },
            { label: 'Address', value: event.SourceIPAddress || '–' },
            { label: 'Access key', value: event.AccessKeyId || '–' },
            { label: 'Region', value: member('awsRegion') },
            { label: 'Program', value: member('userAgent') },
            { label: 'Request', value: member('requestID') },
          ]}
        />
        <pre className="snippet" tabIndex={0} aria-label="The event as JSON" role="region">
          {text}
        </pre>
        <CopyToClipboard textToCopy={text} copyButtonText="Copy" copySuccessText="Copied" copyErrorText="The browser did not let the page copy" />
      </SpaceBetween>
    </Modal>
  );
}
