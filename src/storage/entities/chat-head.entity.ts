import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A row of `chat_head`: the row that every change of a chat locks. It outlives the chat. */
@Entity('chat_head')
export class ChatHeadEntity {
  @PrimaryColumn('uuid', { name: 'chat_id' })
  chatId!: string;

  /** Seq of the newest message; 0 in an empty chat. TypeORM gives bigint columns as decimal strings. */
  @Column('bigint', { name: 'last_seq', default: 0 })
  lastSeq!: string;

  /** One step per change of the chat. */
  @Column('bigint', { default: 1 })
  version!: string;

  /** Changes since an older version than this cannot be told any more, because rows have vanished. */
  @Column('bigint', { name: 'reset_version', default: 0 })
  resetVersion!: string;

  /**
   * Transaction of the last change, as decimal text. The column is `xid8`, which TypeORM does not know; it is read
   * only, the commit path writes it in SQL.
   */
  @Column({ type: 'bigint', name: 'changed_xid', insert: false, update: false })
  changedXid!: string;

  /** `changed_xid / 256`, which the database works out: what is indexed, so that most updates of a row touch no index. */
  @Column({ type: 'bigint', name: 'changed_span', insert: false, update: false })
  changedSpan!: string;
}
