-- The least that PostgreSQL must do for one payment notice: five statements, each prepared once, in one transaction.
-- The same tables, constraints, triggers and indexes as ours; no question is asked, so nothing is verified or judged.
\set n :n + 1
\set who random(0, :members - 1)
\set cents random(10000, 299999)
BEGIN;
INSERT INTO alipayhk_notification (group_id, mall_id, credential_id, kind, key, content_hash, is_first, state, reason,
    detail, waits_for, answer, raw_target, raw_body, headers, user_id, tracer_id, received_at, judged_at, repeats, tries, is_confirmed)
VALUES (:mall_group, :mall, :credential, 'BILL', 'B' || :start || '-' || :client_id || '-' || :n::bigint, repeat('0', 64), true, 'PROCESSED', '',
    '', '', 'SUCCESS', '/lumina-plaza/points/bill/notify', convert_to(repeat('x', 330), 'UTF8'),
    jsonb_build_object('Client-Id', '2110299900000044', 'Signature', repeat('x', 420)), '2160120000000000', repeat('0', 32), now(), now(), 0, 0, false)
ON CONFLICT (group_id, kind, key) WHERE is_first DO NOTHING;
WITH purchase AS (
    INSERT INTO earning_transaction (group_id, mall_id, store_id, member_id, wallet_pass_id, channel, state, amount_cents, currency,
        paid_at, recorded_at, payment_number, mainland_number, acquirer_number, receipt_number, store_label, merchant_id, merchant_name,
        tender, item)
    VALUES (:mall_group, :mall, :store, :member + :who::bigint, :pass + :who::bigint, 'WALLET', 'EARNED', :cents, 'HKD',
        now(), now(), 'B' || :start || '-' || :client_id || '-' || :n::bigint, '', '', '', 'PMS0001', '21609876543945', 'Harbour Noodles',
        '', '')
    RETURNING id, group_id, payment_number)
INSERT INTO earning_numberclaim (group_id, kind, number, transaction_id)
SELECT group_id, 'PAYMENT', payment_number, id FROM purchase;
UPDATE ledger_pointaccount SET balance = balance + :cents::bigint / 100, version = version + 1, changed_at = now()
WHERE id = :account + :who::bigint;
WITH posting AS (
    INSERT INTO ledger_posting (program_id, kind, source, posted_at)
    VALUES (:program, 'EARN', 'B' || :start || '-' || :client_id || '-' || :n::bigint, now()) RETURNING id)
INSERT INTO ledger_pointentry (posting_id, account_id, points)
SELECT posting.id, line.account_id, line.points
FROM posting, (VALUES (:account + :who::bigint, :cents::bigint / 100), (:issued::bigint, -(:cents::bigint / 100))) AS line (account_id, points);
UPDATE alipayhk_passupdate SET wanted_version = wanted_version + 1, due_at = now() WHERE wallet_pass_id = :pass + :who::bigint;
COMMIT;
