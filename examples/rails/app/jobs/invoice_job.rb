class InvoiceJob
  # Invoice all orders under a lock that pins: the session holds it.
  def perform_in_turn
    Order.connection.execute("SELECT pg_advisory_lock(42)")
    Order.where(invoiced: false).update_all(invoiced: true)
    Order.connection.execute("SELECT pg_advisory_unlock(42)")
  end

  # Invoice each order under the lock of its row, which pins nothing.
  def perform
    Order.where(invoiced: false).find_each do |order|
      order.with_lock { order.update!(invoiced: true) }
    end
  end
end
